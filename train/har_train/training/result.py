"""What a training gives: the model, measured and described."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from har_edge import __version__
from har_edge.datasets import SPLITS, Sample
from har_edge.machine.facts import installed_versions
from har_edge.model.spec import ModelSpec
from har_train.config import FitConfig
from har_train.model.network import (
    backbone_name,
    join_model,
)
from har_train.model.types import KerasModel
from har_train.reports.calibration import choose_reject_threshold, fit_temperature
from har_train.reports.metrics import measure_tempered
from har_train.reports.predictions import SplitPredictions, tempered
from har_train.training.encoded import Encoded, fingerprint
from har_train.training.loop import Outcome, join_outcomes
from har_train.training.stage import Stage


@dataclass(frozen=True)
class FitResult:
    """A trained model with everything that the run folder is written from.

    Attributes:
        config: Settings with all automatic ones filled in.
        spec: The model's description.
        model: Keras model, (N, T, H, W, 3) -> (N, C); of poses (N, T, D') -> (N, C).
        history: Keras's history by epoch, of all stages.
        best_epoch: Epoch, from 1, whose weights were kept; 0 where no loss was a number.
        samples: All readable samples of the model's labels with their splits.
        beside: The readable samples of other labels, see `DataConfig.labels`.
        left_out: The files that could not be decoded.
        predictions: By split, tempered by `spec.temperature` as the edge gives them.
        metrics: By split, see `evaluate.measure`.
    """

    config: FitConfig
    spec: ModelSpec
    model: KerasModel
    history: Mapping[str, Sequence[float]]
    best_epoch: int
    samples: Sequence[Sample]
    beside: Sequence[Sample]
    left_out: Sequence[Path]
    predictions: Mapping[str, SplitPredictions]
    metrics: Mapping[str, Mapping[str, float]]


def describe(
    encoder: KerasModel | None,
    classifier: KerasModel,
    encoded: Encoded,
    stage: Stage,
    outcomes: Sequence[Outcome],
    raw: Mapping[str, SplitPredictions],
) -> FitResult:
    """Calibrate and measure the model, describe it and join its parts.

    Args:
        encoder: The trained backbone; None for a model of poses.
        classifier: The trained head, with the model's labels alone.
        encoded: All samples.
        stage: Settings and preprocessing.
        outcomes: Of the trainings, in order.
        raw: What the network says, by split, untempered.
    """
    config = stage.config
    judged = encoded.answered
    temperature = fit_temperature(raw["val"])
    threshold = choose_reject_threshold(tempered(raw["val"], temperature))
    predictions, metrics = {}, {}
    for s in SPLITS:
        groups = [item.sample.group for item in judged.parts[s][0]]
        predictions[s], metrics[s] = measure_tempered(raw[s], temperature, threshold, groups)
    spec = ModelSpec(
        name=config.data.name,
        labels=judged.labels,
        clip=stage.clip,
        view="person" if config.head.of_people else config.window.view,
        feature_size=int(encoder.output_shape[-1]) if encoder else 0,
        head_inputs=config.head.of_people or ("features",),
        backbone=backbone_name(config) if encoder else "",
        temperature=temperature,
        reject_threshold=threshold,
        data_fingerprint=fingerprint(encoded.parts["train"][0]),
        metrics={f"test_{k}": v for k, v in metrics["test"].items()},
        tool_versions={
            **installed_versions("keras", "tensorflow", "numpy"),
            "har-edge": __version__,
        },
        description=config.data.about.get("description", ""),
        license=config.data.about.get("license", ""),
    )
    model = join_model(encoder, classifier, stage.clip) if encoder else classifier
    beside = [s for s in encoded.samples if s.label not in judged.labels]
    history, best_epoch = join_outcomes(outcomes)
    return FitResult(
        config, spec, model, history, best_epoch, judged.samples, beside, encoded.left_out,
        predictions, metrics,
    )  # fmt: skip
