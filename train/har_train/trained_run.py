"""Train from Python as `har-train fit` does: data and settings in, a run folder out."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from har_edge.errors import DataError, HarError, OutputError
from har_edge.exclusive import one_at_a_time
from har_edge.files import sweep
from har_edge.model.spec import ModelSpec
from har_edge.silence import doing
from har_train.config import FitConfig, default_name
from har_train.extras import check_installed, prepare_tensorflow
from har_train.reports.tables import metrics_table
from har_train.run_folder import (
    check_free,
    checkpoint_folder,
    discard_start,
    resume_config,
    save_run,
    start_checkpoints,
)
from har_train.training.distribute import Distribution
from har_train.training.fit import fit as train
from har_train.training.means import FitMeans
from har_train.training.result import FitResult


@dataclass(frozen=True)
class TrainedRun:
    """A finished training. It can be used like the path of its run folder.

    Attributes:
        folder: The run folder.
        spec: What the model says about itself.
        metrics: Figures by part of the data: `train`, `val` and `test`.
        best_epoch: Epoch, from 1, whose weights were kept; 0 where no loss was a number.
        left_out: Files that could not be decoded.
        written: Whether this process wrote the folder, as all do but the workers that a chief
            writes for.
    """

    folder: Path
    spec: ModelSpec
    metrics: Mapping[str, Mapping[str, float]]
    best_epoch: int
    left_out: Sequence[Path] = ()
    written: bool = True

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels that the model answers with."""
        return tuple(self.spec.labels)

    def __fspath__(self) -> str:
        return os.fspath(self.folder)

    def __str__(self) -> str:
        """The table of figures that `har-train fit` ends with."""
        return metrics_table(self.metrics, num_frames=self.spec.clip.num_frames)


def fit(
    data: str | os.PathLike[str] | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    config: FitConfig | None = None,
    means: FitMeans | None = None,
    **settings: object,
) -> TrainedRun:
    """Train a model and write its run folder.

    Args:
        data: Folder of classes, of train/val/test, or a CSV manifest; None for that of `config`.
        out: Run folder to write; None for `runs/NAME-DATE`.
        config: Settings to start from; None for the defaults.
        means: Cache, processes, machines, and who is told how it goes.
        settings: Any setting by its name in `config.toml`, such as `num_frames`; they win.

    Raises:
        DataError: if the data, the weights or a setting cannot be used.
        OutputError: if the run folder, the cache or a checkpoint cannot be written.
        MissingExtraError: if the train extra is not installed.

    Example::

        import har_train

        run = har_train.fit("DATA", out="runs/mine", num_frames=16)
        print(run)                                # the table of har-train fit
        print(run.metrics["test"]["accuracy"], run.labels)
    """
    given = {**settings, **({} if data is None else {"data": os.fspath(data)})}
    chosen = FitConfig.of(**{**(config.flat() if config else {}), **given})
    return _fit(chosen, None if out is None else Path(out), means or FitMeans(), resumed=False)


def resume(out: str | os.PathLike[str], *, means: FitMeans | None = None) -> TrainedRun:
    """Go on with a training that was interrupted, with the settings that it began with.

    Args:
        out: Its run folder.
        means: As for `fit`.

    Raises:
        DataError: if there is nothing to go on with; see `fit` for more.
    """
    _prepare(means or FitMeans())
    return _fit(resume_config(Path(out)), Path(out), means or FitMeans(), resumed=True)


def _prepare(means: FitMeans) -> None:
    prepare_tensorflow(repeatable=False)
    check_installed("keras", "sklearn", "matplotlib", "tomli_w")
    means.check_installed()


def _fit(config: FitConfig, out: Path | None, means: FitMeans, *, resumed: bool) -> TrainedRun:
    """Check everything that can be checked at once; then train."""
    _prepare(means)
    config = config if config.data.name else config.with_(name=_name(config, out))
    if config.training.deterministic:
        prepare_tensorflow()
    folder = out or Path(f"runs/{config.data.name}-{time.strftime('%Y%m%d-%H%M%S')}")
    if not Path(config.data.path).exists():
        raise DataError(f"There is no dataset at {config.data.path}. Check the path.")
    check_free(folder)
    distribution = means.open_distribution()
    if distribution and not distribution.is_chief:
        return _work_for_chief(config, folder, means, distribution)
    if idle := config.without_effect:
        means.watch.say(
            f"Without --fine-tune-blocks, these have no effect: {', '.join(idle)}. "
            "Add it, or leave them out."
        )
    if idle := config.without_pixels:
        means.watch.say(
            f"A model of poses sees no pixels, so that these have no effect: {', '.join(idle)}."
        )
    with one_at_a_time(folder, "Give another --out."):
        sweep(checkpoint_folder(folder))
        return _train(config, folder, means, distribution, resumed=resumed)


def _train(
    config: FitConfig,
    folder: Path,
    means: FitMeans,
    distribution: Distribution | None,
    *,
    resumed: bool,
) -> TrainedRun:
    """Train, and write the run folder."""
    checkpoints = checkpoint_folder(folder) if resumed else start_checkpoints(config, folder)
    try:
        with means.open_fill() as fill:
            result = train(
                config,
                cache=means.cache_folder,
                checkpoints=checkpoints,
                log_folder=means.log_folder,
                watch=means.watch,
                fill=fill,
                distribution=distribution,
            )
        with doing(f"Writing {folder}"):
            save_run(result, folder)
    except HarError as error:
        discard_start(folder)
        if isinstance(error, OutputError) and checkpoint_folder(folder).is_dir():
            means.watch.say(
                "The finished epochs are kept. Once there is space, continue with --resume "
                f"{folder}"
            )
        raise
    except KeyboardInterrupt:
        if (checkpoint_folder(folder) / "config.toml").is_file():
            cache_option = f" --cache {means.cache}" if means.cache else ""
            means.watch.say(f"\nContinue with: har-train fit --resume {folder}{cache_option}")
        raise
    return _trained(result, folder)


def _name(config: FitConfig, out: Path | None) -> str:
    """Name a model after its run folder, else after its data."""
    return out.absolute().name if out else default_name(config.data.path)


def _work_for_chief(
    config: FitConfig, folder: Path, means: FitMeans, distribution: Distribution
) -> TrainedRun:
    """Train along with the chief, which alone writes and speaks."""
    with means.open_fill() as fill:
        result = train(
            config,
            cache=means.cache_folder,
            checkpoints=checkpoint_folder(folder),
            fill=fill,
            distribution=distribution,
        )
    means.watch.say("Done: the chief writes the run.")
    return _trained(result, folder, written=False)


def _trained(result: FitResult, folder: Path, *, written: bool = True) -> TrainedRun:
    return TrainedRun(
        folder, result.spec, result.metrics, result.best_epoch, result.left_out, written
    )
