"""What both stages of a training share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from har_edge.datasets import Sample
from har_edge.model.spec import ClipSpec
from har_train.config import FitConfig
from har_train.features.augment import Augmentation
from har_train.features.cache import Fill, View, fill_folder
from har_train.features.poses import PoseRendering
from har_train.model.types import KerasModel
from har_train.training.checkpoint import LoopSettings, Report
from har_train.training.distribute import Distribution
from har_train.watch import SILENT, Watch, silent

# Of the settings, those that say where things are and not what is trained.
PLACES = {"data", "root", "name", "about"}


@dataclass(frozen=True)
class Network:
    """A network of pixels in its two parts, which are trained in place.

    Attributes:
        encoder: Keras model, (N, H, W, 3) pixels in 0..255 -> (N, D) features.
        classifier: Keras model, (N, T, D) features -> (N, C) probabilities.
    """

    encoder: KerasModel
    classifier: KerasModel


@dataclass(frozen=True)
class Learnt:
    """What a stage learns from.

    Attributes:
        train, val: Readable samples.
        labels: Classes in order.
        fingerprint: Of the content and labels of them all.
    """

    train: Sequence[Sample]
    val: Sequence[Sample]
    labels: Sequence[str]
    fingerprint: str = ""


@dataclass(frozen=True)
class Stage:
    """What a stage works with.

    Attributes:
        config: Settings with all automatic ones filled in.
        cache: Folder of the feature cache.
        checkpoints: Folder to write checkpoints to, and to go on from; None for neither.
        log_folder: Folder for TensorBoard's logs, or None.
        watch: Who is told how it goes.
        fill: What encodes samples.
        distribution: Devices or machines that train together.
    """

    config: FitConfig
    cache: Path
    checkpoints: Path | None = None
    log_folder: Path | None = None
    watch: Watch = SILENT
    fill: Fill = fill_folder
    distribution: Distribution | None = None

    @property
    def clip(self) -> ClipSpec:
        """The model's preprocessing."""
        window = self.config.window
        return ClipSpec(
            window.num_frames, window.frame_rate_hz, window.size, window.size, window.resize
        )

    @property
    def quiet(self) -> Stage:
        """The same, with no line for the user: the unreadable files were named before."""
        return replace(self, watch=replace(self.watch, say=silent))

    def loop(self, name: str, epochs: int, fingerprint: str) -> LoopSettings:
        """Settings of the training loop of one stage."""
        settings = {k: v for k, v in self.config.flat().items() if k not in PLACES}
        text = json.dumps([fingerprint, settings], sort_keys=True)
        training = self.config.training
        return LoopSettings(
            epochs=epochs,
            patience=training.patience,
            keep=training.keep,
            seed=training.seed,
            checkpoint=self.checkpoints / f"{name}.npz" if self.checkpoints else None,
            fingerprint=hashlib.sha256(text.encode()).hexdigest(),
            log_folder=self.log_folder / name if self.log_folder else None,
            distribution=self.distribution,
            report=self._reporter(epochs),
        )

    def _reporter(self, epochs: int) -> Report:
        """Tell the user of each epoch."""
        tick = self.watch.epochs(epochs)

        def report(epoch: int, logs: Mapping[str, float]) -> None:
            tick(1)
            self.watch.say(
                f"epoch {epoch + 1:>3}/{epochs}  loss {logs['loss']:.4f}  accuracy "
                f"{logs['accuracy']:.1%}  val_loss {logs['val_loss']:.4f}  val_accuracy "
                f"{logs['val_accuracy']:.1%}"
            )

        return report


def training_views(config: FitConfig, views: int) -> list[View]:
    """List the views of training samples: the original, then the augmented ones.

    A still among clips is a crop path in training. Held out it is one frame that the window
    repeats, for so the runner sees it.
    """
    augmentation = Augmentation(
        strength=config.augment.strength,
        flip=config.augment.flip,
        erase=config.augment.erase,
        seed=config.training.seed,
    )
    path_frames = config.window.num_frames if config.window.num_frames > 1 else 0
    return [View(number, augmentation, path_frames) for number in range(views + 1)]


def pose_rendering(config: FitConfig, view: int) -> PoseRendering:
    """Say which rows a model of poses sees of its samples in a view."""
    augment = config.augment
    return PoseRendering(
        config.head.of_people,
        config.window.num_frames,
        config.window.frame_rate_hz,
        view=view,
        strength=augment.strength,
        flip=augment.flip,
        seed=config.training.seed,
    )
