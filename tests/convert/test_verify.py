"""Comparison with Keras, against plain loops and a plain bootstrap."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from har_convert.run_folder import Run
from har_convert.verify import (
    Clips,
    Outputs,
    _cosine,
    compare,
    measure_latency,
    run_models,
)
from har_edge.errors import ModelFileError
from har_edge.model.loaded import load_model
from har_edge.statistics import mean_interval

NO_FEATURES = np.ones((1, 1), np.float32)


def random_case(seed: int, labelled: bool) -> tuple[Outputs, Outputs, Clips]:
    """Eight clips of one to four windows: what a model and what Keras say of them."""
    random = np.random.default_rng(seed)
    clip_of = np.repeat(np.arange(8), random.integers(1, 5, 8))
    keras = random.dirichlet(np.ones(3), len(clip_of)).astype(np.float32)
    found = 0.5 * keras + 0.5 * random.dirichlet(np.ones(3), len(clip_of)).astype(np.float32)
    features = random.normal(size=(2, 30, 5)).astype(np.float32)
    targets = random.integers(0, 3, 8) if labelled else None
    return Outputs(features[0], found), Outputs(features[1], keras), Clips(clip_of, targets)


def plain_means(probabilities: NDArray[Any], clip_of: NDArray[Any]) -> list[list[float]]:
    """Mean of each clip's windows."""
    means = []
    for clip in sorted(set(clip_of.tolist())):
        own = [row for row, of in zip(probabilities.tolist(), clip_of, strict=True) if of == clip]
        means.append([sum(column) / len(own) for column in zip(*own, strict=True)])
    return means


def best(row: list[float]) -> int:
    return row.index(max(row))


@pytest.mark.parametrize("seed", range(6))
def test_comparison_with_labels(seed: int) -> None:
    found, keras, clips = random_case(seed, labelled=True)
    assert clips.targets is not None
    ours = [best(row) for row in plain_means(found.probabilities, clips.clip_of)]
    theirs = [best(row) for row in plain_means(keras.probabilities, clips.clip_of)]
    right = sum(a == b for a, b in zip(ours, clips.targets, strict=True))
    keras_right = sum(a == b for a, b in zip(theirs, clips.targets, strict=True))
    result = compare("int8", found, keras, clips)
    assert result.accuracy == pytest.approx(right / 8)
    assert result.keras_accuracy == pytest.approx(keras_right / 8)
    assert result.drop == pytest.approx(100 * (keras_right - right) / 8)
    assert result.drop_interval[0] <= result.drop <= result.drop_interval[1]
    assert result.held_out
    assert (result.clips, result.windows) == (8, len(clips.clip_of))


@pytest.mark.parametrize("seed", range(6))
def test_comparison_without_labels_expects_what_keras_does(seed: int) -> None:
    found, keras, clips = random_case(seed, labelled=False)
    lost = [
        100 * (max(theirs) - theirs[best(ours)])
        for ours, theirs in zip(
            plain_means(found.probabilities, clips.clip_of),
            plain_means(keras.probabilities, clips.clip_of),
            strict=True,
        )
    ]
    result = compare("int8", found, keras, clips)
    assert result.drop == pytest.approx(sum(lost) / 8, abs=1e-4)
    assert result.drop_interval == pytest.approx(mean_interval(np.array(lost)), abs=1e-4)
    assert (result.accuracy, result.keras_accuracy, result.held_out) == (None, None, False)


@pytest.mark.parametrize("seed", range(3))
def test_agreement_and_largest_difference(seed: int) -> None:
    found, keras, clips = random_case(seed, labelled=True)
    pairs = list(zip(found.probabilities.tolist(), keras.probabilities.tolist(), strict=True))
    result = compare("int8", found, keras, clips)
    same = sum(best(a) == best(b) for a, b in pairs)
    assert result.agreement == pytest.approx(same / len(pairs))
    largest = max(abs(x - y) for a, b in pairs for x, y in zip(a, b, strict=True))
    assert result.max_difference == pytest.approx(largest)


def test_a_model_that_says_the_same_loses_nothing() -> None:
    _, keras, clips = random_case(0, labelled=True)
    result = compare("float32", keras, keras, clips)
    assert (result.drop, result.drop_interval, result.agreement) == (0.0, (0.0, 0.0), 1.0)
    assert (result.max_difference, result.feature_cosine) == (0.0, pytest.approx(1.0))


def test_better_than_keras_is_a_negative_drop() -> None:
    keras = Outputs(NO_FEATURES, np.array([[0.6, 0.4], [0.7, 0.3]], np.float32))
    found = Outputs(NO_FEATURES, np.array([[0.4, 0.6], [0.7, 0.3]], np.float32))
    clips = Clips(np.array([0, 1]), np.array([1, 0]))
    assert compare("int8", found, keras, clips).drop == -50.0


def test_cosine() -> None:
    a = np.array([[3, 4], [1, 0], [1, 1], [0, 0], [0, 0]], np.float32)
    b = np.array([[6, 8], [0, 2], [-2, -2], [0, 0], [1, 0]], np.float32)
    # The same, at right angles, opposite, both silent, one silent.
    assert _cosine(a, b) == pytest.approx((1 + 0 - 1 + 1 + 0) / 5)


def test_models_are_run_on_every_clip(run: Run, converted: Any) -> None:
    pytest.importorskip("tensorflow")
    paths = {v: converted[0] / f"colours-{v}.tflite" for v in ("float32", "int8")}
    ticks: list[int] = []
    held_out = run.held_out(3)
    outputs, clips = run_models(paths, run, held_out, num_threads=1, progress=ticks.append)
    assert ticks == [1, 1, 1]
    assert outputs.keys() == paths.keys()
    assert clips.clip_of.tolist() == [0, 1, 2]
    assert clips.targets is not None
    assert [run.spec.labels[t] for t in clips.targets] == [item.label for item in held_out]
    assert outputs["int8"].probabilities.shape == (3, 3)
    outputs, clips = run_models(paths, run, [], num_threads=1)
    assert clips.targets is None
    assert clips.clip_of.tolist() == list(range(len(run.representative().windows)))


def test_values_that_are_no_numbers_are_refused(
    run: Run, converted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = converted[0] / "colours-float32.tflite"
    spoiled = load_model(path)
    monkeypatch.setattr(spoiled, "classify", lambda window: np.full(3, np.nan, np.float32))
    monkeypatch.setattr("har_convert.verify.load_model", lambda *args, **options: spoiled)
    with pytest.raises(ModelFileError, match=r"colours-float32.*finite numbers.*not written"):
        run_models({"a": path}, run, run.held_out(2), num_threads=1)


def test_latency_is_measured_for_each(run: Run, converted: Any) -> None:
    paths = {v: converted[0] / f"colours-{v}.tflite" for v in ("float32", "int8")}
    found = measure_latency(paths, run)
    assert found.keys() == paths.keys()
    assert all(0 < ms < 1000 for pair in found.values() for ms in pair)
