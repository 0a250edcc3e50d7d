"""Training: complete, repeatable, and fair to short clips."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from har_edge.datasets import SPLITS, Sample
from har_edge.errors import DataError
from har_edge.model.loaded import apply_temperature
from har_edge.sources.clips import load_frames
from har_train.config import FitConfig
from har_train.dataset.samples import assign_splits, load_dataset
from har_train.features.cache import EncodedSample
from har_train.model.network import weights_digest
from har_train.training.fit import fit
from har_train.training.result import FitResult, tool_versions
from har_train.training.windows import FeatureBank, Windows, build_windows, training_epoch
from har_train.watch import Watch

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.train

CONFIG = FitConfig.of(data="d", num_frames=4, window_stride=2)


def encoded(count: int, label: str = "a") -> EncodedSample:
    features = np.random.default_rng(count).normal(size=(count, 3)).astype(np.float32)
    return EncodedSample(Sample(Path(f"{label}{count}"), label, "g"), features, "0")


def build(part: list[EncodedSample], labels: tuple[str, ...]) -> Windows:
    return build_windows([part], labels, CONFIG)


def features_of(windows: Windows) -> NDArray[np.float32]:
    assert isinstance(windows.bank, FeatureBank)
    return windows.bank.features[0]


def test_windows_equal_plain_slices() -> None:
    part = [encoded(9), encoded(4, "b"), encoded(6, "b")]
    windows = build(part, ("a", "b"))
    found = features_of(windows)[windows.rows]
    starts = [(0, 0), (0, 2), (0, 4), (0, 5), (1, 0), (2, 0), (2, 2)]
    expected = [part[clip].features[start : start + 4] for clip, start in starts]
    assert np.array_equal(found, np.stack(expected))
    assert windows.clip_of.tolist() == [clip for clip, _ in starts]
    assert windows.first_frames.tolist() == [start for _, start in starts]
    assert windows.targets.tolist() == [0, 0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_short_clip_repeats_its_first_frame_at_the_front(count: int) -> None:
    part = [encoded(7), encoded(count, "b")]
    windows = build(part, ("a", "b"))
    features = part[1].features
    expected = np.stack([features[0]] * (4 - count) + list(features))
    assert np.array_equal(features_of(windows)[windows.rows[-1]], expected)
    assert windows.first_frames[-1] == count - 4
    assert windows.clip_of.tolist().count(1) == 1


def test_every_clip_weighs_the_same() -> None:
    part = [encoded(30), encoded(4, "b"), encoded(2, "b"), encoded(11)]
    windows = build(part, ("a", "b"))
    sums = [windows.weights[windows.clip_of == clip].sum() for clip in range(4)]
    assert np.ptp(sums) < 1e-5
    assert windows.weights.mean() == pytest.approx(1)


def test_settings_are_filled_in(trained: FitResult, config: FitConfig, cache: Path) -> None:
    assert trained.config == config.with_(name="squares")
    assert trained.spec.name == "squares"
    assert trained.spec.labels == ("left", "right")
    assert trained.spec.clip.frame_shape == (32, 32, 3)
    assert trained.spec.feature_size == 1280
    assert (trained.spec.description, trained.spec.license) == ("Squares.", "MIT")
    assert trained.spec.tool_versions.keys() >= {"keras", "tensorflow", "numpy", "har-edge"}


def test_history_and_best_epoch(trained: FitResult) -> None:
    losses = trained.history["val_loss"]
    assert len(losses) == 3
    assert trained.history.keys() >= {"loss", "accuracy", "val_accuracy"}
    assert min(losses) == losses[trained.best_epoch - 1]


def test_last_epoch_is_kept_at_a_rate_of_0(config: FitConfig, cache: Path) -> None:
    config = config.with_(head="mean", dense_units=(), keep="last", epochs=12, patience=1)
    found = fit(config, cache=cache)
    losses = found.history["val_loss"]
    assert len(losses) == found.best_epoch == 12
    # Steps get ever smaller. No batch norm: its statistics move on when the weights no longer do.
    assert abs(losses[-1] - losses[-2]) < 0.1 * abs(losses[1] - losses[0])


def test_what_is_beside_the_labels_is_trained_on_and_not_judged(
    config: FitConfig, stills: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [f"{s.path},{s.label},{s.group}" for s in load_dataset(config.data.path)]
    rows += [f"{path},photo_{path.parent.name},{path}" for path in stills.rglob("*.png")]
    (tmp_path / "all.csv").write_text("\n".join(["path,label,group", *rows]), encoding="utf-8")
    config = config.with_(data=str(tmp_path / "all.csv"), labels=("right", "left"), epochs=1)
    seen: list[NDArray[np.float32]] = []

    def recorded(windows: Windows, config: FitConfig, epoch_number: int) -> object:
        epoch = training_epoch(windows, config, epoch_number)
        seen.extend(epoch[i][1].sum(axis=0) for i in range(len(epoch)))
        return epoch

    monkeypatch.setattr("har_train.training.head.training_epoch", recorded)
    found = fit(config, cache=cache)
    assert np.sum(seen, axis=0)[2:].tolist() == [4, 4]  # blue and red pictures, behind the answers
    assert found.spec.labels == ("left", "right")
    assert {s.label for s in found.beside} == {"photo_blue", "photo_red"}
    for part in found.predictions.values():
        assert part.probabilities.shape[1] == 2
        assert {path.parent.name for path in part.paths} == {"left", "right"}


def test_splits_are_those_of_the_seed(trained: FitResult, config: FitConfig) -> None:
    expected = assign_splits(
        load_dataset(config.data.path),
        val_fraction=config.data.val_fraction,
        test_fraction=config.data.test_fraction,
        seed=config.training.seed,
    )
    assert list(trained.samples) == expected


def test_model_gives_the_recorded_predictions(trained: FitResult) -> None:
    """Pixels through the whole model against cached features through the head."""
    for side in SPLITS:
        predictions = trained.predictions[side]
        clips = [load_frames(path, trained.spec.clip) for path in predictions.paths]
        windows = np.stack(
            [
                clips[clip][np.maximum(0, np.arange(first, first + 6))]
                for clip, first in zip(predictions.clip_of, predictions.first_frames, strict=True)
            ]
        )
        raw = trained.model.predict_on_batch(windows.astype(np.float32))
        again = apply_temperature(np.asarray(raw), trained.spec.temperature)
        assert np.abs(again - predictions.probabilities).max() < 1e-4
    spread = np.concatenate([p.probabilities for p in trained.predictions.values()])
    assert np.ptp(spread[:, 0]) > 0.01


def test_targets_and_metrics(trained: FitResult) -> None:
    for side in SPLITS:
        predictions, metrics = trained.predictions[side], trained.metrics[side]
        names = [trained.spec.labels[t] for t in predictions.targets]
        assert names == [path.parent.name for path in predictions.paths]
        hits = predictions.per_clip().argmax(axis=1) == predictions.targets
        assert metrics["accuracy"] == pytest.approx(hits.mean())
    assert trained.spec.metrics == {f"test_{k}": v for k, v in trained.metrics["test"].items()}


def test_fingerprint_covers_training_files_and_labels(trained: FitResult) -> None:
    lines = sorted(
        f"{hashlib.sha256(s.path.read_bytes()).hexdigest()} {s.label}"
        for s in trained.samples
        if s.split == "train"
    )
    expected = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    assert trained.spec.data_fingerprint == expected


def test_same_seed_same_weights(trained: FitResult, config: FitConfig, cache: Path) -> None:
    again = fit(config, cache=cache)
    assert again.samples == trained.samples
    assert again.history == trained.history
    assert weights_digest(again.model) == weights_digest(trained.model)


def test_other_seed_other_weights_and_a_corrupt_file_is_named(
    trained: FitResult, config: FitConfig, cache: Path, tmp_path: Path
) -> None:
    data = shutil.copytree(config.data.path, tmp_path / "data")
    (data / "left" / "broken.mp4").write_bytes(b"no video")
    lines: list[str] = []
    counts: list[tuple[int, int]] = []

    def progress(samples: int, classes: int) -> object:
        counts.append((samples, classes))
        return lambda done: None

    settings = config.with_(data=str(data), seed=4, epochs=1, name="other")
    result = fit(settings, cache=cache, watch=Watch(lines.append, progress))  # type: ignore[arg-type]
    assert counts == [(13, 2)]
    assert len(result.samples) == 12
    assert len([line for line in lines if "broken.mp4" in line]) == 1
    assert result.left_out == [data / "left" / "broken.mp4"]
    assert len([line for line in lines if line.startswith("epoch ")]) == 1
    classify, expected = (m.get_layer("classify") for m in (result.model, trained.model))
    assert weights_digest(classify) != weights_digest(expected)


def test_class_that_is_unreadable_on_one_side(
    config: FitConfig, cache: Path, clips: Path, tmp_path: Path
) -> None:
    for side in SPLITS:
        for label in ("left", "right"):
            (tmp_path / side / label).mkdir(parents=True)
            number = 1 + SPLITS.index(side)
            shutil.copy(clips / label / f"{number}.mp4", tmp_path / side / label)
    (tmp_path / "val" / "left" / "2.mp4").write_bytes(b"no video")
    with pytest.raises(DataError, match="'val' has no sample of"):
        fit(config.with_(data=str(tmp_path)), cache=cache)


def test_versions_of_missing_packages_are_left_out() -> None:
    assert tool_versions("numpy", "no-such-package") == {"numpy": np.__version__}
