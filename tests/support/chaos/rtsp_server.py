"""An RTSP camera for tests: H.264 pictures with a stamp of their time, orders on stdin.

For the system's Python, with Debian's gir1.2-gst-rtsp-server-1.0, python3-gi and
gstreamer1.0-plugins-{base,good,bad,ugly}:

    /usr/bin/python3 rtsp_server.py PORT KEY_INTERVAL [USER PASSWORD]
    /usr/bin/python3 rtsp_server.py --check    (exit 0 if all that it needs is there)

It begins with a key frame; the next one comes KEY_INTERVAL frames later, of 15 a second.

Orders, one a line: `normal`, `black`, `frozen`, `size 640x480`. Serves rtsp://127.0.0.1:PORT/cam
and ends when stdin does.
"""

from __future__ import annotations

import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402
from pattern import draw, now_ms  # noqa: E402

RATE_HZ = 15
PIPELINE = (
    "( appsrc name=src is-live=true format=time do-timestamp=true ! videoconvert ! "
    "video/x-raw,format=I420 ! x264enc tune=zerolatency sliced-threads=false "
    "speed-preset=ultrafast key-int-max={key_interval} bitrate=600 ! h264parse ! "
    "rtph264pay name=pay0 pt=96 config-interval=-1 mtu=600 )"
)


class Camera:
    """What the camera shows, and the streams that show it."""

    def __init__(self) -> None:
        self.size = (320, 240)
        self.mode = "normal"
        self.picture = b""
        self.sources: list[object] = []

    def order(self, line: str) -> None:
        """Take an order."""
        word, _, argument = line.strip().partition(" ")
        if word == "size":
            width, height = argument.split("x")
            self.size = (int(width), int(height))
        elif word in ("normal", "black", "frozen"):
            self.mode = word

    def configure(self, _: object, media: object) -> None:
        """Show the picture on a new stream."""
        source = media.get_element().get_by_name("src")  # type: ignore[attr-defined]
        self.sources = [source]

    def show(self) -> bool:
        """Push the next picture into the stream."""
        width, height = self.size
        if self.mode == "black":
            self.picture = bytes(width * height)
        elif self.mode == "normal" or len(self.picture) != width * height:
            self.picture = draw(now_ms(), width, height)
        caps = f"video/x-raw,format=GRAY8,width={width},height={height},framerate={RATE_HZ}/1"
        for source in self.sources:
            source.set_property("caps", Gst.Caps.from_string(caps))  # type: ignore[attr-defined]
            # Copied: a wrapped one would not keep Python's bytes alive.
            buffer = Gst.Buffer.new_allocate(None, len(self.picture), None)
            buffer.fill(0, self.picture)
            pushed = source.emit("push-buffer", buffer)  # type: ignore[attr-defined]
            if pushed != Gst.FlowReturn.OK:
                self.sources = []
        return True


def main() -> None:
    """Serve until stdin ends."""
    Gst.init(None)
    if sys.argv[1] == "--check":
        needed = ("appsrc", "videoconvert", "x264enc", "h264parse", "rtph264pay")
        sys.exit(0 if all(map(Gst.ElementFactory.find, needed)) else 1)
    port, key_interval, *login = sys.argv[1:]
    camera = Camera()
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(PIPELINE.format(key_interval=key_interval))
    factory.set_shared(True)
    factory.connect("media-configure", camera.configure)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    if login:
        protect(server, factory, *login)
    server.get_mount_points().add_factory("/cam", factory)
    server.attach(None)
    GLib.timeout_add(1000 // RATE_HZ, camera.show)
    loop = GLib.MainLoop()

    def listen() -> None:
        for line in sys.stdin:
            GLib.idle_add(camera.order, line)
        loop.quit()

    threading.Thread(target=listen, daemon=True).start()
    print("ready", flush=True)  # noqa: T201
    loop.run()


def protect(server: object, factory: object, user: str, password: str) -> None:
    """Ask for a user and a password."""
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", user)
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    server.set_auth(auth)  # type: ignore[attr-defined]
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_permission_for_role(user, "media.factory.access", True)
    permissions.add_permission_for_role(user, "media.factory.construct", True)
    factory.set_permissions(permissions)  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
