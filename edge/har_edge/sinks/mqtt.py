"""Publish to an MQTT broker, with discovery by Home Assistant.

Topics, in the style of Frigate; PREFIX is the URL's path, `har` by default:

| topic | payload | retained | QoS |
|---|---|---|---|
| PREFIX/available | `online`; `offline` at the end, also as last will | yes | 1 |
| PREFIX/CAMERA/action | the prediction, when its action changes and every few seconds | yes | 0 |
| PREFIX/CAMERA/person/N/action | the same of person N; CAMERA/action has the largest | no | 0 |
| PREFIX/CAMERA/people | how many people are in view, and how many do what | yes | 0 |
| PREFIX/CAMERA/event | an action that began or ended, a zone entered or left | no | 2 |
| PREFIX/CAMERA/status | state of the source; `ended` at the end | yes | 2 |
| homeassistant/sensor/NODE/CAMERA/config | discovery | yes | 1 |

A connection has one last will, so that it is on the topic of the whole run; a camera's own state
counts only while the run is `online`.

Events and states go out one at a time: the next one is handed to the client when the broker has
acknowledged the one before (QoS 2, MQTT 5 with a session that outlives the connection). What
cannot be sent waits in the queue, in order. So each event arrives once; only a broker that dies
in the milliseconds between its two acknowledgements, and had not yet saved, can lose one.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import ssl
import sys
import threading
import time
import uuid
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import chain, count
from pathlib import Path
from typing import Protocol

from har_edge.errors import MissingExtraError
from har_edge.paths import display_path
from har_edge.recognition.events import Event
from har_edge.recognition.headcount import Headcount
from har_edge.recognition.prediction import NOBODY, Prediction
from har_edge.recognition.visits import Visit
from har_edge.say import Say
from har_edge.sinks.base import Record, TryLaterError, safe_name
from har_edge.sinks.broker import parse_broker
from har_edge.sinks.home_assistant import people_config, sensor_config
from har_edge.sources.base import SourceStatus
from har_edge.sources.names import DEVICE
from har_edge.sources.urls import is_url

DISCOVERY_PREFIX = "homeassistant"
KEEPALIVE_S = 30
# The broker keeps the session for so long after the connection broke.
SESSION_EXPIRY_S = 3600
RECONNECT_MIN_S, RECONNECT_MAX_S = 1, 10
# How often an action that goes on is published again, with its present confidence.
REFRESH_S = 5.0
# How long one call waits for an acknowledgement before it lets the queue look at its clock.
PATIENCE_S = 1.0
CLOSE_TIMEOUT_S = 2.0
# Cameras and people whose last action is kept in mind.
MOST_SHOWN = 1000


class _Sent(Protocol):
    """A message that was handed to the client."""

    mid: int


class _Reason(Protocol):
    """Why a connection was made or broken."""

    is_failure: bool


class _Client(Protocol):
    """What is used of paho's client."""

    def publish(self, topic: str, payload: str, qos: int, *, retain: bool = ...) -> _Sent: ...
    def is_connected(self) -> bool: ...
    def disconnect(self) -> object: ...
    def loop_stop(self) -> object: ...


class MqttSink:
    """Publishes actions, events and status records; reconnects automatically.

    A broker that is away at the start is waited for like one that goes away later.

    Args:
        url: `mqtt[s]://[USER[:PASSWORD]@]HOST[:PORT][/PREFIX]`.
        note: Takes lines for the user.
        top_k: Actions to list for each prediction.
        discovery_prefix: Where Home Assistant looks for configurations; "" publishes none.
        folders: Watched folders: the files in each are one camera together, named like it.
        keypoints: Whether to list each person's keypoints.

    Raises:
        OutputError: if the URL is unusable.
        MissingExtraError: if paho-mqtt is not installed.
    """

    wants: tuple[type, ...] = (Prediction, Event, Visit, Headcount, SourceStatus)

    def __init__(
        self,
        url: str,
        note: Say,
        *,
        top_k: int = 3,
        discovery_prefix: str = DISCOVERY_PREFIX,
        folders: Sequence[str | os.PathLike[str]] = (),
        keypoints: bool = False,
    ) -> None:
        self.broker = parse_broker(url)
        self.name = f"MQTT broker {self.broker!r}"
        self._note = note
        self._top_k = top_k
        self._keypoints = keypoints
        self._discovery_prefix = discovery_prefix.strip("/")
        self._run = uuid.uuid4().hex[:8]
        self._folders = [display_path(Path(folder)) for folder in folders]
        # Two machines with the same prefix must not become one device in Home Assistant.
        where = f"{socket.gethostname()}/{self.broker.prefix}"
        self._node = f"har-{hashlib.sha256(where.encode()).hexdigest()[:8]}"
        self._cameras: dict[str, str] = {}
        # Camera, or one of its people -> source and action that were published last, and when.
        self._shown: dict[tuple[str, int | None], tuple[str, str, float]] = {}
        # Camera -> the frame whose largest person's prediction came last.
        self._frames: dict[str, tuple[str, int]] = {}
        self._announced: set[str] = set()
        # Camera -> what was last said of how many people there are, and when.
        self._counted: dict[str, tuple[tuple[str, int, dict[str, int]] | None, float]] = {}
        # Retained payloads by topic, to be sent again whenever the connection is made anew:
        # a broker that keeps nothing on disk has forgotten them.
        self._retained: dict[str, str] = {}
        self._lock = threading.Lock()
        self._in_hand: tuple[Record, int] | None = None
        self._acknowledged: deque[int] = deque(maxlen=1000)
        self._answered = threading.Condition()
        self._reason = ""
        self._client = self._connect()

    def take(self, record: Record) -> None:
        """Publish a record; events and states wait for the broker's acknowledgement.

        Raises:
            TryLaterError: if it has not come yet. The same record is then only waited for.
        """
        if isinstance(record, Prediction):
            self._show(record)
            return
        if isinstance(record, Headcount):
            self._count(record)
            return
        if self._in_hand is None or self._in_hand[0] is not record:
            self._in_hand = (record, self._publish(record))
        if not self._wait(self._in_hand[1], PATIENCE_S):
            reason = f" ({self._reason})" if self._reason else ""
            raise TryLaterError(f"{self.name} does not answer{reason}.", after_s=0.0)
        self._in_hand = None

    def close(self) -> None:
        """Say that all cameras ended and that nobody is here, then disconnect."""
        for source, camera in self._cameras.items():
            ended = _json(SourceStatus(source, "ended", time.time()).as_dict())
            self._client.publish(self._topic(camera, "status"), ended, 1, retain=True)
        last = self._client.publish(self._topic("available"), "offline", 1, retain=True)
        if self._client.is_connected():
            self._wait(last.mid, CLOSE_TIMEOUT_S)
        self._client.disconnect()
        self._client.loop_stop()

    def _connect(self) -> _Client:
        try:
            from paho.mqtt import client as mqtt
            from paho.mqtt.packettypes import PacketTypes
            from paho.mqtt.properties import Properties
        except ImportError as error:
            raise MissingExtraError("mqtt", "paho-mqtt") from error
        client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2,
            client_id=f"har-edge-{self._run}",
            protocol=mqtt.MQTTv5,
        )
        if self.broker.user is not None:
            client.username_pw_set(self.broker.user, self.broker.password)
        if self.broker.tls:
            client.tls_set_context(ssl.create_default_context())
        client.will_set(self._topic("available"), "offline", 1, retain=True)
        client.reconnect_delay_set(RECONNECT_MIN_S, RECONNECT_MAX_S)
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        session = Properties(PacketTypes.CONNECT)
        session.SessionExpiryInterval = SESSION_EXPIRY_S
        client.connect_async(
            self.broker.host, self.broker.port, keepalive=KEEPALIVE_S, properties=session
        )
        client.loop_start()
        connected: _Client = client
        return connected

    def _on_connect(
        self, client: _Client, data: object, flags: object, reason: _Reason, properties: object
    ) -> None:
        """Say that we are here and bring back what is retained; on the client's thread."""
        del data, flags, properties
        if reason.is_failure:
            if str(reason) != self._reason:
                self._note(f"Warning: {self.name} refuses the connection: {reason}.")
            self._reason = str(reason)
            return
        self._reason = ""
        client.publish(self._topic("available"), "online", 1, retain=True)
        with self._lock:  # or something older would follow what `_retain` publishes meanwhile
            for topic, payload in self._retained.items():
                client.publish(topic, payload, 1, retain=True)

    def _on_connect_fail(self, client: object, data: object) -> None:
        """Remember why; the client calls this while it handles the error."""
        del client, data
        self._reason = str(sys.exc_info()[1] or self._reason)

    def _on_disconnect(
        self, client: object, data: object, flags: object, reason: _Reason, properties: object
    ) -> None:
        del client, data, flags, properties
        self._reason = self._reason or (str(reason) if reason.is_failure else "")

    def _on_publish(
        self, client: object, data: object, mid: int, reason: object, properties: object
    ) -> None:
        del client, data, reason, properties
        with self._answered:
            self._acknowledged.append(mid)
            self._answered.notify_all()

    def _wait(self, mid: int, timeout_s: float) -> bool:
        """Wait until the broker has acknowledged a message; False if it does not in time."""
        with self._answered:
            done = self._answered.wait_for(lambda: mid in self._acknowledged, timeout_s)
            if done:
                self._acknowledged.remove(mid)  # numbers come round again
            return done

    def _publish(self, record: Record) -> int:
        """Hand an event or a state to the client; gives the number of the message."""
        if isinstance(record, Event | Visit):
            key = f"{self._run}-{record.number}-{record.kind.removeprefix('action_')}"
            payload = {"id": key, **record.as_dict()}
            topic = self._topic(self._camera(record.source), "event")
            return self._client.publish(topic, _json(payload), 2).mid
        assert isinstance(record, SourceStatus)
        topic = self._topic(self._camera(record.source), "status")
        return self._retain(topic, _json(record.as_dict()), 2).mid

    def _show(self, prediction: Prediction) -> None:
        """Publish what is going on; while the broker is away it is only remembered."""
        camera = self._camera(prediction.source)
        if camera not in self._announced:
            self._announce(camera, prediction)
        captured_s = prediction.captured_at_s
        if captured_s is not None and time.time() - captured_s > REFRESH_S:
            return  # it waited behind an event; newer ones follow
        person, frame = prediction.person, (prediction.source, prediction.frame)
        first = person is None or (prediction.largest and self._frames.get(camera) != frame)
        if first:
            self._frames[camera] = frame
        if first and self._is_news(prediction, (camera, None)):
            self._refresh(self._topic(camera, "action"), self._said(prediction))
        if person is not None and self._is_news(prediction, (camera, person)):
            topic = self._topic(camera, "person", str(person), "action")
            if self._client.is_connected():  # whoever was there meanwhile may have gone
                self._client.publish(topic, self._said(prediction), 0)

    def _count(self, heads: Headcount) -> None:
        """Publish how many people are in view, when that changes and every few seconds."""
        camera, now_s = self._camera(heads.source), time.monotonic()
        counted = heads.source, heads.people, heads.actions
        told, told_s = self._counted.get(camera, (None, 0.0))
        if counted != told or now_s - told_s >= REFRESH_S:
            self._counted[camera] = counted, now_s
            self._refresh(self._topic(camera, "people"), _json(heads.as_dict()))

    def _is_news(self, prediction: Prediction, who: tuple[str, int | None]) -> bool:
        """Whether to publish it: another action than before, or the same for some time."""
        *told, shown_s = self._shown.pop(who, ("", "", 0.0))
        now_s = time.monotonic()
        news = told != [prediction.source, prediction.action] or now_s - shown_s >= REFRESH_S
        self._shown[who] = (prediction.source, prediction.action, now_s if news else shown_s)
        if len(self._shown) > MOST_SHOWN:
            del self._shown[next(iter(self._shown))]  # whoever was not seen for longest
        return news

    def _said(self, prediction: Prediction) -> str:
        return _json(prediction.as_dict(self._top_k, keypoints=self._keypoints))

    def _announce(self, camera: str, prediction: Prediction) -> None:
        """Say that a source is there, to everybody and to Home Assistant."""
        place, status = self._place(prediction.source), self._topic(camera, "status")
        if status not in self._retained:
            live = SourceStatus(place, "live", time.time())
            self._retain(status, _json(live.as_dict()), 1)
        if not prediction.is_nobody:
            self._announced.add(camera)  # by then, what may be said is known
        if self._discovery_prefix:
            labels = prediction.labels
            if prediction.locate_ms is not None:
                labels = (*(label for label in labels if label != NOBODY), NOBODY)
            topic, config = sensor_config(self._node, camera, place, labels, self.broker.prefix)
            self._retain(f"{self._discovery_prefix}/{topic}", _json(config), 1)
            if prediction.locate_ms is not None:
                topic, config = people_config(self._node, camera, place, self.broker.prefix)
                self._retain(f"{self._discovery_prefix}/{topic}", _json(config), 1)

    def _retain(self, topic: str, payload: str, qos: int) -> _Sent:
        with self._lock:
            self._retained[topic] = payload
            return self._client.publish(topic, payload, qos, retain=True)

    def _refresh(self, topic: str, payload: str) -> None:
        """Retain what newer ones replace anyway; while the broker is away only remember it."""
        with self._lock:
            self._retained[topic] = payload
            # Else the last one is sent when the connection is made again.
            if self._client.is_connected():
                self._client.publish(topic, payload, 0, retain=True)

    def _place(self, source: str) -> str:
        """What is filmed: the watched folder that a file lies in, else the source itself."""
        if is_url(source) or DEVICE.fullmatch(source):
            return source
        return next((f for f in self._folders if Path(source).is_relative_to(f)), source)

    def _camera(self, source: str) -> str:
        """The part of topics that stands for a source."""
        place = self._place(source)
        if place not in self._cameras:
            base = safe_name(place).replace(".", "-")
            names = chain([base], (f"{base}-{n}" for n in count(2)))
            taken = set(self._cameras.values())
            self._cameras[place] = next(name for name in names if name not in taken)
        return self._cameras[place]

    def _topic(self, *parts: str) -> str:
        return "/".join((self.broker.prefix, *parts))


def _json(values: Mapping[str, object]) -> str:
    return json.dumps(values, ensure_ascii=False)
