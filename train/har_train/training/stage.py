"""What both stages of a training share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from har_edge.model.spec import ClipSpec
from har_train.config import FitConfig
from har_train.features.cache import Fill
from har_train.training.distribute import Distribution
from har_train.training.loop import LoopSettings

Say = Callable[[str], object]


Tick = Callable[[int], object]


# Of the settings, those that say where things are and not what is trained.
PLACES = {"data", "root", "name", "about"}


@dataclass(frozen=True)
class _Stage:
    """What both stages of training share."""

    config: FitConfig
    cache: Path
    checkpoints: Path | None
    log_folder: Path | None
    say: Say
    progress: Callable[[int, int], Tick] | None
    epoch_progress: Callable[[int], Tick] | None
    fill: Fill
    distribution: Distribution | None

    @property
    def clip(self) -> ClipSpec:
        window = self.config.window
        return ClipSpec(
            window.num_frames, window.frame_rate_hz, window.size, window.size, window.resize
        )

    def ticker(self, samples: int, classes: int) -> Tick:
        """Start to count samples that are read, or encoded."""
        return self.progress(samples, classes) if self.progress else lambda done: None

    def loop(self, name: str, epochs: int, fingerprint: str) -> LoopSettings:
        """Settings of the training loop of one stage."""
        settings = {k: v for k, v in self.config.flat().items() if k not in PLACES}
        text = json.dumps([fingerprint, settings], sort_keys=True)
        return LoopSettings(
            epochs=epochs,
            patience=self.config.training.patience,
            keep=self.config.training.keep,
            seed=self.config.training.seed,
            checkpoint=self.checkpoints / f"{name}.npz" if self.checkpoints else None,
            fingerprint=hashlib.sha256(text.encode()).hexdigest(),
            log_folder=self.log_folder / name if self.log_folder else None,
            distribution=self.distribution,
        )

    def reporter(self, epochs: int) -> Callable[[int, Mapping[str, float]], object]:
        """Tell the user of each epoch."""
        tick = self.epoch_progress(epochs) if self.epoch_progress else lambda done: None

        def report(epoch: int, logs: Mapping[str, float]) -> None:
            tick(1)
            self.say(
                f"epoch {epoch + 1:>3}/{epochs}  loss {logs['loss']:.4f}  accuracy "
                f"{logs['accuracy']:.1%}  val_loss {logs['val_loss']:.4f}  val_accuracy "
                f"{logs['val_accuracy']:.1%}"
            )

        return report
