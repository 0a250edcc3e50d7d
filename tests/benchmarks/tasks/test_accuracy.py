"""Answers on labelled files and what they lose against float32."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from har_benchmarks.execute.worker import do
from har_benchmarks.plan.data import Item
from har_benchmarks.tasks.accuracy import judge
from har_edge.model.loaded import load_model
from har_edge.sources.clips import load_frames, window_indices
from tests.support.tiny import ASSETS, measure, tiny_plan


def test_answers_are_those_of_the_model(tiny_items: tuple[Item, ...]) -> None:
    job = {
        "task": "accuracy", "model": str(ASSETS / "tiny-int8.tflite"), "backend": "litert",
        "num_threads": 1, "items": [[i.path, i.label, i.group, 0.0, None] for i in tiny_items],
    }  # fmt: skip
    found = do(job, lambda event, **fields: None)
    model = load_model(ASSETS / "tiny-int8.tflite", num_threads=1)
    for item, right, windows in zip(tiny_items, found["right"], found["windows"], strict=True):
        frames = load_frames(item.path, model.spec.clip)
        clips = [frames[w] for w in window_indices(len(frames), 4, 1)]
        probabilities = np.stack([model.classify_clip(clip) for clip in clips])
        assert windows == probabilities.argmax(axis=1).tolist()
        answer = model.spec.labels[int(probabilities.mean(axis=0).argmax())]
        assert right == int(answer == item.label)
    assert found["in_top5"] == [1] * len(tiny_items)  # of three classes


def test_figures_of_answers() -> None:
    reference = {"right": [1, 1, 1, 0] * 6, "in_top5": [1] * 24, "windows": [[0, 1], [2]] * 12}
    answers = {
        "right": [1, 1, 0, 0] * 6, "in_top5": [1, 1, 1, 0] * 6, "windows": [[0, 1], [1]] * 12,
    }  # fmt: skip
    groups = [str(i) for i in range(24)]
    found = judge(answers, reference, groups)
    assert found["accuracy"] == 0.5
    assert found["top5_accuracy"] == 0.75
    assert found["agreement"] == pytest.approx(2 / 3)
    assert found["drop_points"] == pytest.approx(25)
    assert found["drop_low_points"] is not None
    assert found["drop_high_points"] is not None
    assert 0 < found["drop_low_points"] < 25 < found["drop_high_points"] < 60
    alone = judge(answers, None, groups)
    assert "drop_points" not in alone
    few = judge({k: v[:3] for k, v in answers.items()}, None, groups[:3])
    assert few["accuracy_low"] is None  # three files prove nothing


def test_a_run_with_data_has_accuracy_in_all_its_cases(
    tmp_path: Path, tiny_items: tuple[Item, ...]
) -> None:
    plan = tiny_plan(threads=(1, 2), rounds=1, items=tiny_items)
    report = measure(tmp_path / "run", plan)
    summaries = {case["key"]: case["summary"] for case in report["cases"]}
    assert len({summaries[f"tiny-int8/litert/{n}"]["accuracy"] for n in (1, 2)}) == 1
    for n in (1, 2):
        float32 = summaries[f"tiny-float32/litert/{n}"]
        assert (float32["drop_points"], float32["agreement"]) == (0.0, 1.0)
    assert report["data"] == {"name": "data", "files": 8}


def test_a_file_that_cannot_be_read_costs_the_accuracy_alone(tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    report = measure(tmp_path / "run", tiny_plan(items=[Item(str(broken), "left", "g")]))
    case = report["cases"][0]
    assert case["status"] == "ok"
    assert "broken.mp4" in case["accuracy_reason"]
    assert "accuracy" not in case["summary"]
