"""An EfficientNet-Lite in miniature becomes a file of builtin ops in every variant."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from har_convert.auditing.audit import audit
from har_convert.conversion import Options, convert_run
from har_convert.recipe import CALIBRATED, VARIANTS
from har_convert.run_folder import load_run
from har_convert.worker import load_parts
from har_edge.frames.decode import load_image
from har_edge.frames.preprocess import resize_frame
from har_edge.model.spec import ClipSpec
from har_train.config import FitConfig
from har_train.model import efficientnet_lite
from har_train.model.efficientnet_lite import SIZES, Size
from har_train.model.network import backbone_of, build_encoder, import_keras
from har_train.run_folder import save_run
from har_train.training.fit import fit

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def lite_run(stills: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a network of all kinds of blocks, but few and narrow ones."""
    folder = tmp_path_factory.mktemp("lite")
    small = Size(0.25, 0.3, SIZES["efficientnet-lite0"].package)
    config = FitConfig.of(
        data=str(stills), num_frames=1, size=32, backbone="efficientnet-lite0", weights="none",
        head="mean", dense_units=(), epochs=20, batch_size=8, learning_rate=0.02,
        feature_dropout=0.0,
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(efficientnet_lite, "SIZES", {**SIZES, "efficientnet-lite0": small})
        weights = write_weights(folder / "small.weights.h5", config, stills)
        save_run(fit(config.with_(weights=str(weights)), cache=folder / "cache"), folder / "run")
    return folder / "run"


def write_weights(path: Path, config: FitConfig, stills: Path) -> Path:
    """Write random weights with the statistics of some pictures: none of it vanishes inside."""
    keras = import_keras()
    keras.utils.set_random_seed(0)
    clip = ClipSpec(1, 8.0, config.window.size, config.window.size)
    backbone = backbone_of(build_encoder(clip, config))
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    frames = np.stack([resize_frame(load_image(p), clip) for p in sorted(stills.rglob("*.png"))])
    backbone.trainable = True
    backbone((frames.astype(np.float32) - 127) / 128, training=True)
    backbone.save_weights(path)
    return path


@pytest.mark.slow
def test_every_variant(lite_run: Path, in_process: None, tmp_path: Path) -> None:
    run = load_run(lite_run)
    assert run.spec.backbone == "efficientnet-lite0"
    encoder, _ = load_parts(run)
    kinds = {type(layer).__name__ for layer in encoder.layers[2].layers}
    assert "Add" in kinds
    # Random weights lose more by 8 bits than trained ones: the gate is for those.
    report = convert_run(run, VARIANTS, tmp_path, Options(max_accuracy_drop=100))
    for made in report.conversions:
        assert made.passed, (made.recipe, made.reason)
        least = 0.8 if made.recipe.variant in (*CALIBRATED, "dynamic") else 0.9999
        assert made.result.feature_cosine > least, made.recipe
        if made.paths[0].suffix == ".tflite":
            found = audit(made.paths[0])
            assert found.not_builtin == found.flex_ops == ()
            assert found.runtimes["litert"] == "loads and runs"
