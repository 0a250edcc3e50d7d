"""Samples without labels get the teacher's where it is sure, and only there."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from har_edge.datasets import Sample
from har_edge.errors import DataError
from har_edge.sources.clips import load_frames, window_indices
from har_train.config import FitConfig
from har_train.dataset.samples import assign_splits, load_dataset
from har_train.training.fit import fit
from har_train.training.result import FitResult
from har_train.training.stage import Stage
from har_train.training.unlabelled import class_thresholds, label_unlabelled
from har_train.watch import Watch
from tests.train.conftest import write_clip

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.train


@pytest.fixture
def more(tmp_path: Path) -> Path:
    """Clips that no training has seen, one broken file, and a text."""
    for i in range(3):
        write_clip(
            tmp_path / "more" / f"{i}.mp4", "left" if i % 2 else "right", count=16, seed=i + 20
        )
    (tmp_path / "more" / "broken.mp4").write_bytes(b"broken")
    (tmp_path / "more" / "note.txt").write_text("nothing to see")
    return tmp_path / "more"


@pytest.fixture
def asked(config: FitConfig, run_folder: Path, more: Path) -> FitConfig:
    return config.with_(
        teacher=str(run_folder), unlabelled=str(more), fresh_views=True, fine_tune_blocks=1
    )


@pytest.fixture
def samples(config: FitConfig) -> list[Sample]:
    found = load_dataset(config.data.path)
    return assign_splits(found, val_fraction=0.15, test_fraction=0.15, seed=3)


def trust(monkeypatch: pytest.MonkeyPatch, *thresholds: float) -> None:
    """Set what six clips of validation and three epochs cannot."""
    monkeypatch.setattr(
        "har_train.training.unlabelled.class_thresholds",
        lambda probabilities, targets, precision: np.array(thresholds),
    )


def test_a_threshold_is_where_answers_are_right_often_enough() -> None:
    sure = np.linspace(0.99, 0.6, 20)
    probabilities = np.concatenate([np.stack([sure, 1 - sure], 1), np.stack([1 - sure, sure], 1)])
    targets = np.array([0] * 9 + [1] + [0] * 4 + [1] * 6 + [1] * 20)
    found = class_thresholds(probabilities, targets, 0.9)
    # 13 of 14 are right, 13 of 15 are not enough.
    assert found == pytest.approx([sure[13], sure[19]])
    # Each threshold keeps its promise, and the next answer would break it.
    chosen, surest = probabilities.argmax(axis=1), probabilities.max(axis=1)
    kept = (chosen == 0) & (surest >= found[0])
    assert (targets[kept] == 0).mean() >= 0.9
    wider = (chosen == 0) & (surest >= sure[14])
    assert (targets[wider] == 0).mean() < 0.9


def test_equal_answers_are_taken_together_or_not_at_all() -> None:
    probabilities = np.array([[0.9, 0.1]] * 6 + [[0.8, 0.2]] * 4)
    targets = np.array([0] * 8 + [1] * 2)
    # Eight of the first nine are right, but who takes the ninth takes the tenth.
    assert class_thresholds(probabilities, targets, 0.85)[0] == 0.9
    assert class_thresholds(probabilities, targets, 0.8)[0] == 0.8


def test_a_class_that_is_never_right_enough_is_never_taken() -> None:
    probabilities = np.tile([[0.9, 0.1, 0.0]], (10, 1))
    assert np.isinf(class_thresholds(probabilities, np.ones(10, int), 0.5)).all()
    # Four right answers are too few to rest on.
    assert np.isinf(class_thresholds(probabilities[:4], np.zeros(4, int), 0.5)).all()


def test_what_the_teacher_is_sure_of_is_taken(
    asked: FitConfig, samples: list[Sample], trained: FitResult, more: Path, cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    known = next(s.path for s in samples if s.split == "test")
    shutil.copyfile(known, more / "known.mp4")
    trust(monkeypatch, 0.0, 0.0)
    lines: list[str] = []
    taken = label_unlabelled(samples, Stage(asked, cache, watch=Watch(say=lines.append)))
    # Not the broken one, not the one that is a labelled sample already.
    assert [s.path.name for s in taken] == ["0.mp4", "1.mp4", "2.mp4"]
    assert {s.split for s in taken} == {"train"}
    for sample in taken:
        frames = load_frames(sample.path, trained.spec.clip)
        indices = window_indices(len(frames), 6, asked.window.stride)
        windows = np.stack([frames[window] for window in indices]).astype(np.float32)
        expected = trained.model.predict_on_batch(windows).mean(axis=0)
        assert sample.label == trained.spec.labels[int(np.argmax(expected))]
    assert any("broken" in line for line in lines)
    assert "3 of 5 files without labels are learnt" in lines[-1]
    trust(monkeypatch, np.inf, np.inf)
    assert label_unlabelled(samples, Stage(asked, cache, watch=Watch(say=lines.append))) == []
    assert "never" in lines[-1]


@pytest.mark.slow
def test_they_are_learnt(
    asked: FitConfig, cache: Path, more: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust(monkeypatch, 0.0, 0.0)
    config = asked.with_(epochs=1, fine_tune_epochs=1, fine_tune_frames=1)
    result = fit(config, cache=cache)
    added = [s for s in result.samples if more in s.path.parents]
    assert len(added) == 3
    assert {s.split for s in added} == {"train"}
    assert result.spec.data_fingerprint != ""


def test_refusals(asked: FitConfig, samples: list[Sample], cache: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"--unlabelled .* without --teacher"):
        asked.with_(teacher="")
    (tmp_path / "empty").mkdir()
    empty = asked.with_(unlabelled=str(tmp_path / "empty"))
    with pytest.raises(DataError, match="should hold pictures or clips without labels"):
        label_unlabelled(samples, Stage(empty, cache))
