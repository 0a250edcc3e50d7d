"""What MQTT tells, on which topics and how it is kept, by a real Mosquitto."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import numpy as np
import pytest

from har_edge.recognition.headcount import Headcount
from har_edge.recognition.visits import Visit
from har_edge.sources.base import SourceStatus
from tests.conftest import ASSETS
from tests.support.mqtt import MakeBroker, Subscribe, event, open_queue, prediction, wait_for


def test_topics_payloads_and_retention(make_broker: MakeBroker, subscribe: Subscribe) -> None:
    broker = make_broker()
    live = subscribe(broker, "har/#", "homeassistant/#")
    queue = open_queue(broker, notes := [])
    queue.put(prediction("sitting"), wait=False)
    queue.put(event(1), wait=False)
    queue.put(SourceStatus("camera:0", "black", 1e9, "The picture is black."), wait=False)
    queue.put(prediction("falling"), wait=False)
    wait_for(lambda: '"action": "falling", "confidence": 0.8' in live.last("har/camera-0/action"))
    queue.put(prediction("sitting", at_s=time.time() - 60), wait=False)  # old news
    wait_for(lambda: '"black"' in live.last("har/camera-0/status"))
    wait_for(lambda: queue.stats.delivered == 5)
    late = subscribe(broker, "har/#", "homeassistant/#")
    wait_for(lambda: late.payloads("har/camera-0/status"))
    (shown,) = late.payloads("har/camera-0/action")
    assert json.loads(shown)["action"] == "falling"
    assert "time" in json.loads(shown)
    assert json.loads(late.payloads("har/camera-0/status")[0])["status"] == "black"
    assert late.payloads("har/available") == ["online"]
    assert late.payloads("har/camera-0/event") == []  # an event is over when it was told
    (told,) = map(json.loads, live.payloads("har/camera-0/event"))
    assert (told["event"], told["number"], told["action"]) == ("action_started", 1, "sitting")
    assert told["id"].endswith(("-1-started", "-1-ended"))

    (config,) = [
        json.loads(p) for t, p, _ in late.messages if t.startswith("homeassistant/sensor/")
    ]
    assert config["state_topic"] == config["json_attributes_topic"] == "har/camera-0/action"
    assert config["options"] == ["falling", "sitting", "unknown"]
    assert config["device"]["name"] == "camera:0"
    assert [a["topic"] for a in config["availability"]] == ["har/available", "har/camera-0/status"]
    assert config["unique_id"] and config["origin"]["name"] == "har-edge"

    queue.close()
    wait_for(lambda: late.payloads("har/available") == ["online", "offline"])
    assert json.loads(late.payloads("har/camera-0/status")[-1])["status"] == "ended"
    assert notes == []


def test_each_person_has_a_topic_and_the_largest_the_cameras(
    make_broker: MakeBroker, subscribe: Subscribe
) -> None:
    broker = make_broker()
    live = subscribe(broker, "har/#", "homeassistant/#")
    queue = open_queue(broker, notes := [])
    empty = replace(prediction("sitting"), labels=("nobody",), probabilities=np.ones(1, np.float32))
    queue.put(replace(empty, locate_ms=1.0), wait=False)
    wait_for(lambda: '"nobody"' in live.last("har/camera-0/action"))
    for frame, (first, second) in enumerate([("sitting", "falling"), ("falling", "falling")], 1):
        for person, action in ((2, "falling"), (3, first), (5, second)):
            said = replace(
                prediction(action),
                frame=frame,
                person=person,
                locate_ms=1.0,
                largest=person == 3,
            )
            queue.put(said, wait=False)
    wait_for(lambda: len(live.payloads("har/camera-0/person/3/action")) == 2)
    wait_for(lambda: '"falling"' in live.last("har/camera-0/action"))
    # What was told while the connection was made may come twice.
    shown = [json.loads(p) for p in dict.fromkeys(live.payloads("har/camera-0/action"))]
    assert [(p.get("person"), p["action"]) for p in shown] == [
        (None, "nobody"),
        (3, "sitting"),
        (3, "falling"),
    ]
    (other,) = map(json.loads, live.payloads("har/camera-0/person/5/action"))
    assert (other["person"], other["action"]) == (5, "falling")
    queue.close()
    config = json.loads(
        [
            p
            for t, p, _ in live.messages
            if t.startswith("homeassistant/sensor/") and '"options"' in p
        ][-1]
    )
    assert config["options"] == ["falling", "sitting", "nobody", "unknown"]
    assert notes == []


def test_people_are_counted_and_visits_are_told(
    make_broker: MakeBroker, subscribe: Subscribe
) -> None:
    broker = make_broker()
    live = subscribe(broker, "har/#", "homeassistant/#")
    queue = open_queue(broker, [])
    queue.put(replace(prediction("sitting"), person=1, locate_ms=5.0), wait=False)
    for at_s, actions in ((1.0, {"sitting": 1}), (2.0, {"sitting": 1}), (3.0, {"falling": 2})):
        heads = Headcount("camera:0", at_s, sum(actions.values()), actions, time.time())
        queue.put(heads, wait=False)
        # Until the broker is reached, only the latest state is kept.
        wait_for(lambda: live.payloads("har/camera-0/people"))
    queue.put(Visit("zone_entered", 7, "camera:0", "bed", 1, 1.5), wait=False)
    wait_for(lambda: queue.stats.delivered == 5)
    wait_for(lambda: live.payloads("har/camera-0/event"))
    wait_for(lambda: '"people": 2' in live.last("har/camera-0/people"))
    told = [json.loads(payload) for payload in live.payloads("har/camera-0/people")]
    # No news is not told; what was told while the connection was made may come twice.
    assert {count["timestamp_s"] for count in told} == {1.0, 3.0}
    first, last = told[0], told[-1]
    assert (first["people"], first["action"], first["actions"]) == (1, "sitting", {"sitting": 1})
    assert (last["people"], last["actions"]) == (2, {"falling": 2})
    (visit,) = map(json.loads, live.payloads("har/camera-0/event"))
    assert visit["id"].endswith("-7-zone_entered")
    configs = [json.loads(p) for t, p, _ in live.messages if t.startswith("homeassistant/")]
    # Told at the start, and again with the first prediction.
    counter = [c for c in configs if c["state_topic"].endswith("/people")][-1]
    assert counter["device"] == configs[0]["device"]
    queue.close()


def test_sources_with_names_alike_stay_apart(make_broker: MakeBroker, subscribe: Subscribe) -> None:
    broker = make_broker()
    subscriber = subscribe(broker)
    queue = open_queue(broker, [], discovery_prefix="")
    for number, source in enumerate(["a/b#c", "a+b/c", "a/b#c"]):
        queue.put(event(number, source), wait=False)
    queue.close()
    wait_for(lambda: subscriber.numbers("har/a-b-c/event") == [0, 2])
    wait_for(lambda: subscriber.numbers("har/a-b-c-2/event") == [1])


def test_a_watched_folder_is_one_camera(make_broker: MakeBroker, subscribe: Subscribe) -> None:
    broker = make_broker()
    subscriber = subscribe(broker, "har/#", "homeassistant/#")
    queue = open_queue(broker, [], folders=["./in"])
    names = [f"in/{n}.jpg" for n in range(8)]
    for number, source in enumerate(names):
        queue.put(prediction("sitting", source), wait=True)
        queue.put(event(number, source), wait=True)
    queue.put(prediction("sitting", "camera:0"), wait=True)
    wait_for(lambda: queue.stats.delivered == 2 * 8 + 1)
    queue.close()
    wait_for(lambda: subscriber.numbers("har/in/event") == list(range(8)))
    # What was retained before the connection stood is sent again when it does.
    shown = [json.loads(p)["source"] for p in subscriber.payloads("har/in/action")]
    assert list(dict.fromkeys(shown)) == names
    wait_for(lambda: '"ended"' in subscriber.last("har/in/status"))
    states = [json.loads(p) for p in subscriber.payloads("har/in/status")]
    assert {(s["source"], s["status"]) for s in states} == {("in", "live"), ("in", "ended")}
    found = [json.loads(p) for t, p, _ in subscriber.messages if t.startswith("homeassistant/")]
    assert {config["device"]["name"] for config in found} == {"in", "camera:0"}


def test_serve_publishes_its_live_source(make_broker: MakeBroker, subscribe: Subscribe) -> None:
    pytest.importorskip("fastapi", reason="needs the extra serve")
    from tests.support.chaos.mjpeg_server import MjpegServer
    from tests.support.serving import serving

    broker = make_broker()
    subscriber = subscribe(broker)
    camera = MjpegServer()
    always = ("--score-threshold", "0", "--smoothing", "0", "--min-duration", "0")
    url = f"mqtt://127.0.0.1:{broker.port}"

    def topics() -> set[str]:
        """What was published, without the camera's name."""
        return {topic.rpartition("/")[2] for topic, _, _ in subscriber.messages}

    try:
        model = ("--model", ASSETS / "tiny-int8.tflite")
        with serving(camera.url, *model, *always, "--mqtt", url):
            wait_for(lambda: topics() >= {"available", "status", "action", "event"})
            assert subscriber.payloads("har/available") == ["online"]
    finally:
        camera.stop()
    wait_for(lambda: subscriber.last("har/available") == "offline")
    (event,) = [json.loads(p) for t, p, _ in subscriber.messages if t.endswith("/event")][:1]
    assert event["event"] == "action_started"
