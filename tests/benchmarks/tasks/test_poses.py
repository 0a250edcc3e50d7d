"""Models of poses alone, measured: bare, on tracks, on videos and as alarms."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import har_edge
from har_benchmarks.alarms.judge import AlarmSettings
from har_benchmarks.alarms.measure import measure
from har_benchmarks.alarms.recordings import Recording
from har_benchmarks.alarms.trace import trace_recording
from har_benchmarks.execute.worker import do
from har_benchmarks.plan.cases import find_models
from har_benchmarks.plan.data import load_items
from har_edge.config import PeopleConfig
from har_edge.model.loaded import load_model
from har_edge.recognition.tracks_file import track_rows, write_tracks
from har_edge.sources.clips import window_indices
from tests.support.skeletons import save
from tests.support.tiny import ASSETS
from tests.support.tracks import made_track

POSES = ASSETS / "tiny-pose-int8.tflite"


def job(task: str, **more: Any) -> dict[str, Any]:
    common = {"num_runs": 5, "warmup_runs": 2, "max_secs": 60.0, "num_threads": 1}
    return {"task": task, "model": str(POSES), "backend": "litert", **common, **more}


def silent(event: str, **fields: Any) -> None:
    """Take events and do nothing."""


def test_nothing_is_encoded() -> None:
    found = do(job("timing"), silent)
    assert (found["first_encode_ms"], found["encode_ms"]) == (0.0, [0.0])
    assert "clip_ms" not in found
    assert len(found["step_ms"]) == len(found["classify_ms"]) == 5  # type: ignore[arg-type]


def test_a_video_runs_to_the_answer_for_each_person() -> None:
    found = do(job("end_to_end", video=str(har_edge.sample_path("two_people.mp4"))), silent)
    encoded, classified = found["encode_ms"], found["classify_ms"]
    assert set(encoded) == {0.0}  # type: ignore[call-overload]
    assert all(ms > 0 for ms in classified)  # type: ignore[attr-defined]
    assert len(classified) > found["frames"]  # type: ignore[arg-type, operator]


def test_tracks_are_judged_by_their_rows(tmp_path: Path) -> None:
    tracks = [made_track(9, seed=1, label="left", fps=5.0), made_track(3, seed=2, label="still")]
    write_tracks(tmp_path / "a.npz", tracks)
    save(tmp_path / "drawn.npz")
    rows = ["path,label", "a.npz#0,left", "a.npz#1,still", "drawn.npz#0,left"]
    (tmp_path / "list.csv").write_text("\n".join(rows), encoding="utf-8")
    said: list[str] = []
    items = load_items(str(tmp_path / "list.csv"), say=said.append)
    assert said == ["Skeletons in the data are passed over: 1"]
    given = [[i.path, i.label, i.group, i.start_s, None] for i in items]
    found = do(job("accuracy", items=given), silent)
    model = load_model(POSES)
    for track, windows in zip(tracks, found["windows"], strict=True):  # type: ignore[call-overload]
        made = track_rows(track, ("pose", "motion"), frame_rate_hz=5.0)
        expected = [model.classify(made[w]) for w in window_indices(len(made), 4, 1)]
        assert windows == np.argmax(expected, axis=1).tolist()


def test_a_video_is_judged_by_who_is_seen_longest() -> None:
    path = str(har_edge.sample_path("two_people.mp4"))
    found = do(job("accuracy", items=[[path, "still", "a", 0.0, None]]), silent)
    said = har_edge.load(POSES).recognize(path, smoothing_s=0, score_threshold=0)
    (_, count), *_ = Counter(p.person for p in said if p.person).most_common(1)
    assert len(found["windows"][0]) == count  # type: ignore[index]


def test_an_alarm_is_of_people() -> None:
    path = har_edge.sample_path("two_people.mp4")
    model = har_edge.load(POSES)
    found = trace_recording(model.loaded, path, model.people)
    said = [p for p in model.recognize(path, smoothing_s=0, score_threshold=0) if not p.is_nobody]
    assert len({p.person for p in found.predictions}) >= 2
    # A run tells people in the order of their numbers, a trace the largest first.
    assert sorted((p.timestamp_s, p.person) for p in found.predictions if p.person) == [
        (p.timestamp_s, p.person) for p in said
    ]


def test_traces_are_of_who_finds_people(tmp_path: Path) -> None:
    """Another rule of looking makes other traces; the same one finds those that were kept."""
    path = Path(har_edge.sample_path("two_people.mp4"))
    recordings = [Recording(path, "a", ((0.0, 1.0),))]
    for people, kept in ((None, 1), (None, 1), (PeopleConfig(locate_every=4), 2)):
        report = measure(
            load_model(POSES),
            recordings,
            AlarmSettings(("still",), 3.0, 0.5, 0.5),
            events=("still",),
            threshold=0.5,
            folder=tmp_path,
            people=people,
        )
        assert len(list((tmp_path / "traces").iterdir())) == kept
        assert report.traces[0].seconds > 1


@pytest.mark.parametrize("name", ["tiny-pose-int8.tflite", "tiny-pose-onnx.classify.onnx"])
def test_a_file_that_stands_alone_is_a_case(name: str) -> None:
    (facts,) = find_models([str(ASSETS / name)])
    assert (facts.file, facts.model) == (name, "tiny-pose")
