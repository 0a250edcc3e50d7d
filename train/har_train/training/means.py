"""What a training works with, which changes nothing about what is trained."""

from __future__ import annotations

import contextlib
import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from har_edge.errors import MissingExtraError
from har_train.features.cache import default_cache, fill_folder
from har_train.watch import SILENT, Watch

if TYPE_CHECKING:
    from har_train.features.cache import Fill
    from har_train.training.distribute import Distribution, StrategyName


@dataclass(frozen=True)
class FitMeans:
    """Folders, processes and machines of a training; the model comes out the same.

    Attributes:
        cache: Folder of the feature cache; None for the user's own.
        tensorboard: Folder for TensorBoard's logs, or None.
        workers: Processes that encode frames; 1 is this process.
        ray: Address of a running Ray cluster that encodes instead, or None.
        strategy: `mirrored` for all GPUs of this machine, `multiworker` for the machines that
            TF_CONFIG names, None for one device.
        watch: Who is told how it goes.
    """

    cache: str | os.PathLike[str] | None = None
    tensorboard: str | os.PathLike[str] | None = None
    workers: int = 1
    ray: str | None = None
    strategy: StrategyName | None = None
    watch: Watch = SILENT

    @property
    def cache_folder(self) -> Path:
        """Folder of the feature cache."""
        return Path(self.cache) if self.cache else default_cache()

    @property
    def log_folder(self) -> Path | None:
        """Folder for TensorBoard's logs."""
        return Path(self.tensorboard) if self.tensorboard else None

    def check_installed(self) -> None:
        """Miss what only some trainings need.

        Raises:
            MissingExtraError: if TensorBoard is asked for and not there.
        """
        if self.tensorboard and importlib.util.find_spec("tensorboard") is None:
            raise MissingExtraError("tensorboard", "tensorboard")

    def open_distribution(self) -> Distribution | None:
        """Meet the other devices or machines, if there are any."""
        from har_train.training.distribute import open_strategy

        if self.strategy == "multiworker":
            self.watch.say("Waiting for the workers that TF_CONFIG names")
        return open_strategy(self.strategy) if self.strategy else None

    def open_fill(self) -> contextlib.AbstractContextManager[Fill]:
        """Start what encodes samples."""
        from har_train.features.ray import open_ray
        from har_train.features.workers import open_processes

        if self.ray:
            return open_ray(self.ray, self.watch.say)
        if self.workers > 1:
            return open_processes(self.workers, self.watch.say)
        return contextlib.nullcontext(fill_folder)
