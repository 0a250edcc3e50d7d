"""Stage 2: the backbone is cut and joined without a trace, and its top learns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from har_edge.datasets import SPLITS
from har_edge.errors import DataError
from har_edge.model.loaded import apply_temperature
from har_edge.sources.clips import load_frames
from har_train.config import FitConfig
from har_train.model.network import (
    build_encoder,
    weights_digest,
)
from har_train.reports.calibration import best_temperature
from har_train.training.fit import fit
from har_train.training.parts import (
    split_encoder,
)
from har_train.training.result import FitResult
from har_train.watch import Watch

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.train


# An epoch of these sees each clip once.
LONGER: dict[str, Any] = {"augment_strength": 0.3, "augment_flip": False, "fine_tune_epochs": 8}
WAYS: dict[str, dict[str, Any]] = {
    "maps": {"views": 1, **LONGER},
    "pixels": {"fresh_views": True, "augment_erase": 0.1, **LONGER},
    "short": {"fresh_views": True, "fine_tune_frames": 2, **LONGER},
    # Its 8 bits round as the processor does: that an epoch is better than the start is not sure.
    "mixed": {"fresh_views": True, "mixed_precision": True, "keep": "last", **LONGER},
}


# All of them take a minute; this one is what the bundled models were made with.
PARAMS = [pytest.param(w, marks=pytest.mark.slow) if w != "pixels" else w for w in WAYS]


@pytest.fixture(scope="module", params=PARAMS)
def tuned_config(config: FitConfig, request: pytest.FixtureRequest) -> FitConfig:
    """The small run with a second stage, in each way that there is."""
    return config.with_(
        **{
            "epochs": 2, "fine_tune_blocks": 1, "fine_tune_epochs": 3, "patience": 9,
            "fine_tune_rate": 3e-3, "ema": 0.5, "name": "tuned", **WAYS[request.param],
        },
    )  # fmt: skip


@pytest.fixture(scope="module")
def tuned(tuned_config: FitConfig, cache: Path) -> FitResult:
    return fit(tuned_config, cache=cache)


def encoder_of(result: FitResult) -> Any:
    return result.model.get_layer("frames").layer


def test_only_the_top_has_changed(tuned: FitResult, tuned_config: FitConfig) -> None:
    before = build_encoder(tuned.spec.clip, tuned_config)
    parts = split_encoder(before, tuned_config), split_encoder(encoder_of(tuned), tuned_config)
    (old_bottom, old_top), (bottom, top) = parts
    assert weights_digest(bottom) == weights_digest(old_bottom)
    assert weights_digest(top) != weights_digest(old_top)
    assert not encoder_of(tuned).layers[-2].trainable_variables
    statistics = [
        [v.numpy() for v in network.variables if "moving" in v.name] for network in (old_top, top)
    ]
    assert statistics[0]
    assert all(np.array_equal(a, b) for a, b in zip(*statistics, strict=True))
    policies = {layer.dtype_policy.name for layer in encoder_of(tuned).layers[-2].layers}
    assert policies == {"float32"}


def test_rejoined_model_is_the_trained_one(tuned: FitResult, tmp_path: Path) -> None:
    """Saved, loaded and run on pixels it says what was recorded."""
    import keras

    tuned.model.save(tmp_path / "model.keras")
    model = keras.models.load_model(tmp_path / "model.keras")
    kinds = {type(layer).__name__ for layer in encoder_of(tuned).layers[-2].layers}
    assert not any("Random" in kind for kind in kinds)
    steps = np.arange(tuned.spec.clip.num_frames)
    for side in SPLITS:
        predictions = tuned.predictions[side]
        clips = [load_frames(path, tuned.spec.clip) for path in predictions.paths]
        windows = np.stack(
            [
                clips[clip][np.maximum(0, first + steps)]
                for clip, first in zip(predictions.clip_of, predictions.first_frames, strict=True)
            ]
        )
        again = np.asarray(model.predict_on_batch(windows.astype(np.float32)))
        again = apply_temperature(again, tuned.spec.temperature)
        assert np.abs(again - predictions.probabilities).max() < 1e-5


def test_tuning_that_makes_nothing_better_is_said(config: FitConfig, cache: Path) -> None:
    said: list[str] = []
    spoilt = config.with_(epochs=2, fine_tune_blocks=1, fine_tune_epochs=1, fine_tune_rate=100.0)
    result = fit(spoilt, cache=cache, watch=Watch(said.append))
    alone = fit(config.with_(epochs=2), cache=cache)
    assert len(result.history["val_loss"]) == 3
    assert result.best_epoch == alone.best_epoch <= 2
    assert weights_digest(result.model) == weights_digest(alone.model)
    assert any("backbone and head stay as they were" in line for line in said)
    assert not any("new features" in line for line in said)


def test_too_many_blocks_are_refused_before_anything_is_trained(
    config: FitConfig, cache: Path
) -> None:
    said: list[str] = []
    with pytest.raises(DataError, match="at most 16"):
        fit(config.with_(fine_tune_blocks=99), cache=cache, watch=Watch(said.append))
    assert not any("epoch" in line for line in said)


def test_history_goes_on_and_the_best_epoch_is_kept(tuned: FitResult) -> None:
    losses = tuned.history["val_loss"]
    before = 2 + tuned.config.fine_tune.epochs
    assert len(losses) == before + 2  # the head's before and after
    assert min(losses[2:before]) < min(losses[:2])
    if tuned.config.fine_tune.mixed_precision:
        assert tuned.best_epoch == len(losses)
        return  # its 8 bits turn single answers over, of the few that there are
    assert losses[tuned.best_epoch - 1] == min(losses)
    val = tuned.predictions["val"]
    share = 1 / np.bincount(val.clip_of)[val.clip_of]
    _, loss = best_temperature(val.probabilities, val.targets[val.clip_of], share)
    assert loss == pytest.approx(min(losses), rel=0.02)  # maps are float16 on disk
