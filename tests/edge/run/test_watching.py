"""A run with zones, rules, falls and covered people: what reaches the sinks, and what does not."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from har_edge.arrays import Box, Pixels
from har_edge.config import DecideConfig, Private, SceneConfig, SinkConfig
from har_edge.errors import ConfigError
from har_edge.frames.encode import video_path
from har_edge.frames.opencv import import_cv2
from har_edge.people.choose import PeopleRule
from har_edge.people.locate import PeopleParts
from har_edge.recognition.decide import Decider
from har_edge.recognition.events import Event
from har_edge.recognition.headcount import Headcount
from har_edge.recognition.prediction import Prediction
from har_edge.recognition.visits import Visit
from har_edge.run.lanes import SourceOpener
from har_edge.run.runner import Run
from har_edge.run.watching import build_cover, build_watching, disclose
from har_edge.sinks.base import Record, Shot
from har_edge.sinks.event_clips import EventClips
from har_edge.sinks.video import VideoSink
from har_edge.sources.files import VideoSource
from har_edge.testing import scripted_model
from tests.conftest import write_video
from tests.support.people import BrightLocator, draw_frames

RATE_HZ = 10.0
LEFT, RIGHT = (0.1, 0.2, 0.3, 0.9), (0.6, 0.3, 0.8, 0.8)
STANDING, LYING = (0.4, 0.1, 0.5, 0.8), (0.3, 0.7, 0.75, 0.85)
ROOM = '[[zones]]\nname = "bed"\nbox = [0.0, 0.0, 0.5, 1.0]\n'


class Files:
    """Sinks that keep all records, and hand them to those that write files."""

    want_shots = True

    def __init__(self, *sinks: VideoSink | EventClips) -> None:
        self.records: list[Record] = []
        self.sinks = sinks

    def put(self, record: Record, *, wait: bool) -> None:
        self.records.append(record)
        for sink in self.sinks:
            if isinstance(record, sink.wants):
                sink.take(record)

    def hurry(self) -> None:
        pass


def clip(path: Path, moments: Sequence[Sequence[Box]], *, shade: int = 0) -> Path:
    frames = [np.clip(f.pixels + np.uint8(shade), 0, 255) for f in draw_frames(moments)]
    return write_video(path, frames, fps=RATE_HZ)


def run(
    path: Path,
    sinks: Files,
    scene: SceneConfig,
    *,
    watched: list[Shot] | None = None,
    say: str = "falling",
) -> list[Record]:
    labels = {"falling": 0.05, "still": 0.05, say: 0.95}
    model = scripted_model([labels], frame_rate_hz=RATE_HZ)
    people = PeopleParts(BrightLocator, PeopleRule())
    tracker, built = build_watching(scene, DecideConfig(min_duration_s=0.2), model.spec, people)
    go = Run(
        model=model,
        sinks=sinks,
        note=lambda line: None,
        new_decider=partial(Decider.for_spec, model.spec, smoothing_s=0),
        tracker=tracker,
        people=people,
        scene=built,
        cover=build_cover(scene.private),
        watch=None if watched is None else lambda shot: watched.append(shot) is None,
    )
    source = VideoSource(path)
    go([SourceOpener(source.name, lambda notify: source)])
    for sink in sinks.sinks:
        sink.close()
    return sinks.records


def write_room(folder: Path, text: str) -> SceneConfig:
    path = folder / "room.toml"
    path.write_text(text, encoding="utf-8")
    return SceneConfig(zones=path)


def pictures(path: Path) -> list[Pixels]:
    reader = import_cv2().VideoCapture(str(path))
    found = []
    while (read := reader.read())[0]:
        found.append(read[1])
    return found


def test_predictions_events_and_visits_say_in_which_zone(tmp_path: Path) -> None:
    path = clip(tmp_path / "two.mp4", [[LEFT, RIGHT]] * 10)
    records = run(path, Files(), write_room(tmp_path, ROOM))
    said = [r for r in records if isinstance(r, Prediction)]
    assert {(p.person, p.zone) for p in said} == {(1, "bed"), (2, None)}
    events = [r for r in records if isinstance(r, Event)]
    assert {(e.person, e.zone) for e in events} == {(1, "bed"), (2, None)}
    entered, left = [r for r in records if isinstance(r, Visit)]
    assert (entered.kind, entered.person, entered.zone) == ("zone_entered", 1, "bed")
    assert (left.kind, left.dwell_s) == ("zone_left", pytest.approx(0.9))
    assert len({r.number for r in [*events, entered]}) == 3  # falling of both, and the visit


def test_rules_are_kept_before_events_are_made(tmp_path: Path) -> None:
    path = clip(tmp_path / "two.mp4", [[LEFT, RIGHT]] * 10)
    room = write_room(tmp_path, f'rules = ["falling unless zone=bed"]\n{ROOM}')
    records = run(path, Files(), room)
    said = {(r.person, r.action) for r in records if isinstance(r, Prediction)}
    assert said == {(1, "unknown"), (2, "falling")}
    assert {r.person for r in records if isinstance(r, Event)} == {2}


def test_a_fall_is_told_with_its_reasons_and_kept_as_a_clip(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mp4", [[STANDING]] * 20 + [[LYING]] * 30)
    clips = EventClips(tmp_path / "clips", RATE_HZ, min_duration_s=3.0)
    records = run(path, Files(clips), SceneConfig(fall_alarm=True), say="still")
    began, ended = [r for r in records if isinstance(r, Event) and r.action == "fall"]
    assert (began.kind, ended.kind) == ("action_started", "action_ended")
    assert began.start_s == pytest.approx(1.9, abs=0.3)
    assert ended.why is not None
    assert ended.why["ended_by"] == "left"
    (kept,) = (tmp_path / "clips").glob(f"*_fall_{began.number}-*.m*")
    assert len(pictures(kept)) > 20


def test_people_are_counted(tmp_path: Path) -> None:
    path = clip(tmp_path / "some.mp4", [[]] * 3 + [[LEFT, RIGHT]] * 4)
    records = run(path, Files(), SceneConfig())
    counts = [r for r in records if isinstance(r, Headcount)]
    assert [(c.people, c.action) for c in counts[:3]] == [(0, "nobody")] * 3
    assert (counts[-1].people, counts[-1].actions) == (2, {"falling": 2})


@pytest.mark.parametrize("private", ["skeletons", "blur"])
def test_no_pixel_of_a_person_leaves_a_private_run(tmp_path: Path, private: Private) -> None:
    """Two people who look different, but are at the same places, leave the same pictures."""
    moments = [[]] * 4 + [[(0.1 + 0.02 * i, 0.2, 0.3 + 0.02 * i, 0.9)] for i in range(12)]
    left: dict[int, list[list[Pixels]]] = {}
    for shade in (0, 5):
        path = clip(tmp_path / f"walk-{shade}.mp4", moments, shade=shade)
        video = VideoSink(tmp_path / f"out-{shade}.mp4", RATE_HZ)
        clips = EventClips(tmp_path / f"clips-{shade}", RATE_HZ)
        watched: list[Shot] = []
        records = run(path, Files(video, clips), SceneConfig(private=private), watched=watched)
        shots = [r for r in records if isinstance(r, Shot)]
        assert [s.frame.resized for s in shots] == [None] * len(moments)
        assert all(a.frame is b.frame for a, b in zip(shots, watched, strict=True))
        kept = pictures(video_path(tmp_path / f"out-{shade}.mp4"))
        (event,) = (tmp_path / f"clips-{shade}").glob("*.m*")
        left[shade] = [[s.frame.pixels for s in shots], kept, pictures(event)]
        bright = BrightLocator()
        raw = list(draw_frames(moments))
        for shot, frame in zip(shots, raw, strict=True):
            for person in bright.locate(frame.pixels):
                here = np.s_[
                    round(person.box[1] * 60) + 4 : round(person.box[3] * 60) - 4,
                    round(person.box[0] * 80) + 3 : round(person.box[2] * 80) - 3,
                ]
                seen = shot.frame.pixels[here]
                assert float(np.abs(np.diff(seen.astype(int), axis=1)).max(initial=0)) < 40
    if private == "skeletons":
        for one, other in zip(left[0], left[5], strict=True):
            for a, b in zip(one, other, strict=True):
                np.testing.assert_array_equal(a, b)


def test_where_nobody_looks_for_people_private_pictures_are_black() -> None:
    notes: list[str] = []
    disclose(SinkConfig(), "skeletons", None, notes.append)
    assert any("all pictures are black" in note and "--people" in note for note in notes)


def test_a_private_run_says_what_is_stored_sent_and_shown(tmp_path: Path) -> None:
    notes: list[str] = []
    sink = SinkConfig(
        save_video=tmp_path / "a.mp4",
        totals=tmp_path / "t.db",
        mqtt="mqtt://user:secret@broker",
        webhook="https://user:secret@example.org/x",
    )
    people = PeopleParts(BrightLocator, PeopleRule())
    disclose(sink, "blur", people, notes.append, shown="a window")
    text = "\n".join(notes)
    assert "blurred people" in text
    assert f"video in {tmp_path / 'a.mp4'}" in text
    assert "without pictures, to the MQTT" in text
    assert "to the webhook" in text
    assert "shown: a window" in text
    assert "secret" not in text


def test_what_cannot_be_watched_for_is_refused(tmp_path: Path) -> None:
    spec = scripted_model([{"falling": 0.9, "still": 0.1}]).spec
    people = PeopleParts(BrightLocator, PeopleRule())
    decide = DecideConfig()
    with pytest.raises(ConfigError, match="--fall-alarm needs to know where people are"):
        build_watching(SceneConfig(fall_alarm=True), decide, spec, None)
    room = write_room(tmp_path, ROOM)
    with pytest.raises(ConfigError, match="--zones needs to know where people are"):
        build_watching(room, decide, spec, None)
    rules = write_room(tmp_path, 'rules = ["fallin for 3 s"]')
    with pytest.raises(ConfigError, match=r"rule 1: .*Did you mean 'falling'"):
        build_watching(rules, decide, spec, people)
    source = write_room(tmp_path, f'{ROOM}source = "camera:0"\n')
    with pytest.raises(ConfigError, match=r"Received 'camera:0'. Did you mean 'camera:1'"):
        build_watching(source, decide, spec, people, sources=["camera:1"])
    gone = SceneConfig(zones=tmp_path / "gone.json")
    with pytest.raises(ConfigError, match="no such file"):
        build_watching(gone, decide, spec, people)
    tracker, scene = build_watching(gone, decide, spec, people, drawn=True)
    assert scene is not None
    lasting = write_room(tmp_path, 'rules = ["falling for 3 s"]')
    tracker, scene = build_watching(lasting, decide, spec, None)
    assert tracker.longer == {"falling": 3.0}
    assert scene is not None
    assert scene.told_after_s == 3.0


def test_without_anything_to_watch_for_there_is_no_scene() -> None:
    spec = scripted_model([{"falling": 0.9, "still": 0.1}]).spec
    tracker, scene = build_watching(SceneConfig(), DecideConfig(min_duration_s=1.5), spec, None)
    assert (scene, tracker.min_duration_s) == (None, 1.5)
    assert build_cover(None) is None
