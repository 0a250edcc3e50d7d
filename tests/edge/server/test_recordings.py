"""Clips of events: listed, watched, and nothing else of their folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")
httpx = pytest.importorskip("httpx", reason="needs httpx")

from har_edge.server.recordings import MOST_LISTED, Recordings  # noqa: E402
from tests.conftest import ASSETS  # noqa: E402
from tests.support.chaos.mjpeg_server import MjpegServer  # noqa: E402
from tests.support.serving import CLIP, serving  # noqa: E402

CLIP_NAME = "har-20261130-101112_camera-0_push_ups_{}-0123abcd.mp4"


def save_clip(folder: Path, number: int, age_s: float = 0.0) -> Path:
    """A clip as a run leaves it, so many seconds ago."""
    path = folder / CLIP_NAME.format(number)
    shutil.copy(CLIP, path)
    os.utime(path, (1e9 - age_s, 1e9 - age_s))
    return path


def test_the_newest_clips_come_first(tmp_path: Path) -> None:
    for number, age_s in ((1, 50.0), (2, 0.0), (3, 10.0)):
        save_clip(tmp_path, number, age_s)
    found = Recordings(tmp_path, "camera-0").newest()
    assert [clip["name"] for clip in found] == [CLIP_NAME.format(n) for n in (2, 3, 1)]
    assert found[0] == {
        "name": CLIP_NAME.format(2),
        "action": "push_ups",
        "saved": "2001-09-09T01:46:40+00:00",
        "size_bytes": CLIP.stat().st_size,
    }


def test_actions_of_other_sources_are_known_by_the_model(tmp_path: Path) -> None:
    save_clip(tmp_path, 1)
    for labels, action in (((), "camera-0_push_ups"), (("ups", "push_ups"), "push_ups")):
        assert Recordings(tmp_path, "door", labels).newest()[0]["action"] == action


def test_a_folder_may_hold_many(tmp_path: Path) -> None:
    for number in range(MOST_LISTED + 5):
        (tmp_path / CLIP_NAME.format(number)).touch()
    assert len(Recordings(tmp_path, "camera-0").newest()) == MOST_LISTED


def test_only_whole_clips_of_ours_are_shown(tmp_path: Path) -> None:
    secret = tmp_path / "secret.mp4"
    secret.touch()
    begun = tmp_path / f".{CLIP_NAME.format(1)}"
    begun.touch()
    link = tmp_path / CLIP_NAME.format(2)
    link.symlink_to(secret)
    kept = Recordings(tmp_path, "camera-0")
    assert kept.newest() == []
    for name in ("secret.mp4", begun.name, link.name, f"../{tmp_path.name}/{link.name}", ""):
        assert kept.find(name) is None


def test_without_a_folder_there_are_none(tmp_path: Path) -> None:
    none = Recordings(None, "camera-0")
    assert (none.kept, none.newest(), none.find(CLIP_NAME.format(1))) == (False, [], None)
    assert Recordings(tmp_path / "not-yet", "camera-0").newest() == []


@pytest.fixture(scope="module")
def camera() -> Iterator[MjpegServer]:
    found = MjpegServer()
    yield found
    found.stop()


def test_over_http(camera: MjpegServer, tmp_path: Path) -> None:
    token, clip = "a-token-for-tests", save_clip(tmp_path, 1)
    options = ("--save-events", tmp_path, "--model", ASSETS / "tiny-int8.tflite")
    with serving(camera.url, *options, token=token) as server:
        assert httpx.get(f"{server.url}/clips").status_code == 401
        assert httpx.get(f"{server.url}/clips/{clip.name}").status_code == 401
        client = httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=30)
        listed = client.get(f"{server.url}/clips").json()
        assert listed["kept"] is True
        assert clip.name in [one["name"] for one in listed["clips"]]
        video = client.get(f"{server.url}/clips/{clip.name}")
        assert (video.headers["Content-Type"], video.content) == ("video/mp4", clip.read_bytes())
        part = client.get(f"{server.url}/clips/{clip.name}", headers={"Range": "bytes=4-7"})
        assert (part.status_code, part.content) == (206, b"ftyp")
        gone = client.get(f"{server.url}/clips/{CLIP_NAME.format(9)}")
        assert gone.status_code == 404
        assert "GET /clips lists them" in gone.json()["detail"]


def test_without_a_live_source(tmp_path: Path) -> None:
    with serving("--model", ASSETS / "tiny-int8.tflite") as server:
        assert httpx.get(f"{server.url}/clips").status_code == 404
