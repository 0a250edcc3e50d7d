"""The command `har-train`."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from har_edge import __version__
from har_edge.commands.harness import BACKENDS, note, run_command
from har_edge.errors import DataError, HarError, MissingExtraError, OutputError
from har_edge.paths import display_path
from har_train.commands.settings import setting_options
from har_train.config import FitConfig, default_name, load_config
from har_train.dataset.samples import SPLITS
from har_train.explore.explore import ExploreConfig
from har_train.explore.findings import KINDS

if TYPE_CHECKING:
    from har_train.features.cache import Fill
    from har_train.training.distribute import Distribution, StrategyName


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 96})
@click.version_option(__version__, prog_name="har-train")
def cli() -> None:
    """Train action recognition on your own stills or clips.

    \b
    Examples:
      har-train explore DATA --out report
      har-train fit DATA --out runs/mine
      har-train fit DATA --weights mobilenet_v2.weights.h5 --num-frames 16 --frame-rate 8
      har-train evaluate runs/mine
      har-train explain runs/mine clip.mp4
    """


@cli.command()
@click.argument("data", required=False)
@click.option("--out", metavar="RUN", help="Run folder to write. [default: runs/NAME-DATE]")
@click.option(
    "--config",
    "config_file",
    metavar="FILE",
    help="Settings as TOML, such as a run folder's config.toml; options win.",
)
@setting_options
@click.option("--cache", metavar="DIR", help="Feature cache. [default: ~/.cache/har-edge/features]")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Processes that encode frames; each needs some 700 MB of memory. 1 is this process.",
)
@click.option(
    "--ray",
    metavar="ADDRESS",
    help="Encode on a running Ray cluster instead: auto, HOST:PORT or ray://HOST:PORT. DATA and "
    "--cache must be on paths that all nodes share.",
)
@click.option(
    "--strategy",
    type=click.Choice(("mirrored", "multiworker")),
    help="Train on all GPUs of this machine, or on the machines that TF_CONFIG names: give each "
    "the same command, and the same --cache if they share one. [default: one device]",
)
@click.option("--resume", metavar="RUN", help="Go on with the interrupted training of RUN.")
@click.option("--tensorboard", metavar="DIR", help="Also log the epochs for TensorBoard.")
def fit(
    data: str | None,
    out: str | None,
    config_file: str | None,
    resume: str | None,
    cache: str | None,
    tensorboard: str | None,
    workers: int,
    ray: str | None,
    strategy: StrategyName | None,
    **options: Any,
) -> None:
    """Train on DATA: a folder of classes, of train/val/test, or a CSV manifest.

    \b
    DATA/<class>/*                     split for you, whole groups at a time
    DATA/{train,val,test}/<class>/*    split by you
    DATA.csv                           path,label[,group][,split][,start_s,end_s]
    DATA/Training_set.csv              filename,label of the pictures in DATA/train

    Stills: jpg, png, webp, bmp. Clips: mp4, avi, mkv, mov, webm. Every frame is encoded once by
    the frozen backbone, so that a second run on the same data takes seconds; with
    --fine-tune-blocks its top is trained too. A training that was killed goes on with --resume.

    \b
    Examples:
      har-train fit DATA --out runs/mine
      har-train fit --config runs/mine/config.toml --seed 1 --out runs/mine-1
      har-train fit --resume runs/mine
    """
    means = _Means(cache, tensorboard, workers, ray, strategy)
    if resume:
        if data or out or config_file or any(v is not None for v in options.values()):
            raise click.UsageError("--resume takes all settings from RUN; leave the others out.")
        _fit(None, resume, means)
        return
    settings = load_config(config_file) if config_file else {}
    settings.update({k: v for k, v in options.items() if v is not None})
    if data:
        settings["data"] = data
    if not settings.get("data"):
        raise click.UsageError("DATA is missing: give a folder, a manifest or --config.")
    _fit(FitConfig.of(**settings), out, means)


@dataclass(frozen=True)
class _Means:
    """What a training works with, which changes nothing about what is trained: see `fit -h`."""

    cache: str | None
    tensorboard: str | None
    workers: int
    ray: str | None
    strategy: StrategyName | None

    def open_distribution(self) -> Distribution | None:
        """Meet the other devices or machines, if there are any."""
        from har_train.training.distribute import open_strategy

        if self.strategy == "multiworker":
            note("Waiting for the workers that TF_CONFIG names")
        return open_strategy(self.strategy) if self.strategy else None

    def open_fill(self) -> contextlib.AbstractContextManager[Fill]:
        """Start what encodes samples."""
        from har_train.features.cache import fill_folder
        from har_train.features.ray import open_ray
        from har_train.features.workers import open_processes

        if self.ray:
            return open_ray(self.ray, _say)
        if self.workers > 1:
            return open_processes(self.workers, _say)
        return contextlib.nullcontext(fill_folder)


def _fit(config: FitConfig | None, out: str | None, means: _Means) -> None:
    """Train by settings; without settings go on with the training of `out`."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from har_train.features.cache import default_cache
    from har_train.run_folder import (
        check_free,
        checkpoint_folder,
        discard_start,
        resume_config,
        save_run,
        start_checkpoints,
    )
    from har_train.training.fit import fit as train

    _check_installed("keras", "sklearn", "matplotlib", "tqdm", "tomli_w")
    if means.tensorboard and importlib.util.find_spec("tensorboard") is None:
        raise MissingExtraError("tensorboard", "tensorboard")
    resumed = config is None
    config = _named(resume_config(Path(out or "")) if config is None else config, out)
    if config.training.deterministic:
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # its sums differ from run to run
    folder = Path(out or f"runs/{config.data.name}-{time.strftime('%Y%m%d-%H%M%S')}")
    if not Path(config.data.path).exists():
        raise DataError(f"There is no dataset {config.data.path}. Check the path.")
    check_free(folder)
    cache = Path(means.cache) if means.cache else default_cache()
    distribution = means.open_distribution()
    if distribution and not distribution.is_chief:
        with means.open_fill() as fill:
            train(config, cache=cache, checkpoints=checkpoint_folder(folder), fill=fill,
                  distribution=distribution)  # fmt: skip
        note("Done: the chief writes the run.")
        return
    if idle := config.without_effect:
        note(f"Without --fine-tune-blocks these do nothing: {', '.join(idle)}.")
    checkpoints = checkpoint_folder(folder) if resumed else start_checkpoints(config, folder)
    try:
        with means.open_fill() as fill:
            result = train(
                config,
                cache=cache,
                checkpoints=checkpoints,
                log_folder=Path(means.tensorboard) if means.tensorboard else None,
                say=_say,
                progress=_bar,
                epoch_progress=_epoch_bar,
                fill=fill,
                distribution=distribution,
            )
        save_run(result, folder)
    except HarError as error:
        discard_start(folder)
        if isinstance(error, OutputError) and checkpoint_folder(folder).is_dir():
            note(f"The epochs done are kept. When there is room, go on with --resume {folder}")
        raise
    except KeyboardInterrupt:
        if (checkpoint_folder(folder) / "config.toml").is_file():
            cache_option = f" --cache {means.cache}" if means.cache else ""
            note(f"\nGo on with: har-train fit --resume {folder}{cache_option}")
        raise
    note("")
    _show_metrics(result.metrics, result.spec.clip.num_frames)
    if result.left_out:
        # Named when they were met, which may be hundreds of lines ago.
        names = ", ".join(display_path(path.name) for path in result.left_out[:5])
        more = ", ..." if len(result.left_out) > 5 else ""
        note(f"\nLeft out unreadable files ({len(result.left_out)}): {names}{more}")
    note(f"\nKept epoch {result.best_epoch}. Wrote {folder}. Next: har-convert {folder} --int8")


def _show_metrics(metrics: Mapping[str, Mapping[str, float]], num_frames: int) -> None:
    from har_train.reports.tables import interval_note, metrics_table

    click.echo(metrics_table(metrics, num_frames=num_frames))
    if said := interval_note(metrics):
        note(said)


def _named(config: FitConfig, out: str | None) -> FitConfig:
    """Name a model after its run folder, else after its data."""
    name = Path(out).absolute().name if out else default_name(config.data.path)
    return config if config.data.name else config.with_(name=name)


def _check_installed(*modules: str) -> None:
    """Miss a package now rather than after the work that leads up to it."""
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise MissingExtraError("train", module)


def _say(line: str) -> None:
    """Tell the user, above a progress bar if there is one."""
    from tqdm import tqdm

    with tqdm.external_write_mode(file=sys.stderr):
        note(line)


def _bar(samples: int, classes: int, verb: str = "Encoding") -> Callable[[int], object]:
    return _open_bar(samples, f"{verb} ({classes} classes)", "file")


def _epoch_bar(epochs: int) -> Callable[[int], object]:
    return _open_bar(epochs, "Training", "epoch")


def _open_bar(total: int, title: str, unit: str) -> Callable[[int], object]:
    from tqdm import tqdm

    bar = tqdm(
        total=total,
        desc=title,
        unit=unit,
        file=sys.stderr,
        disable=not sys.stderr.isatty(),
        leave=False,
    )
    update: Callable[[int], object] = bar.update
    return update


def _parse_kinds(context: click.Context, option: click.Parameter, value: str) -> tuple[str, ...]:
    """Read `--fail-on`; each kind once, in the order given."""
    from har_edge.recognition.decide import parse_labels

    kinds = tuple(dict.fromkeys(parse_labels(value)))
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise click.BadParameter(
            f"expected some of {', '.join(KINDS)}. Received {', '.join(unknown)}.", context, option
        )
    return kinds


@cli.command()
@click.argument("data")
@click.option("--out", metavar="DIR", help="Folder to write. [default: explore/NAME]")
@click.option(
    "--root", default="", metavar="DIR", help="Folder that a manifest's paths start from."
)
@click.option(
    "--fail-on",
    default="",
    callback=_parse_kinds,
    metavar="KIND,...",
    help="Exit 3 if there is any finding of these kinds.",
)
@click.option(
    "--min-samples",
    type=click.IntRange(min=0),
    default=ExploreConfig.min_samples,
    show_default=True,
    metavar="N",
    help="Fewest samples that a class should have.",
)
@click.option(
    "--num-frames",
    type=click.IntRange(min=1),
    metavar="T",
    help="Frames in the model's window. [default: 1 for stills, 16 for clips]",
)
@click.option(
    "--frame-rate",
    "frame_rate_hz",
    type=click.FloatRange(min=0, min_open=True),
    default=ExploreConfig.frame_rate_hz,
    show_default=True,
    metavar="HZ",
    help="Frames sampled a second.",
)
@click.option("--thorough", is_flag=True, help="Decode every frame of clips, not just three.")
def explore(data: str, out: str | None, fail_on: tuple[str, ...], **options: Any) -> None:
    """Look at DATA before training on it: what it holds, and what is wrong with it.

    \b
    Finds: unreadable files, duplicates and near-duplicates, leakage between splits, content
    under two labels, splits of one class, rare classes, short clips, clashing names.

    \b
    Examples:
      har-train explore DATA --out report
      har-train explore DATA --fail-on leakage,conflict,unreadable
    """
    from har_train.explore import explore as library
    from har_train.explore.report import findings_table, save_exploration

    _check_installed("imagehash", "matplotlib", "tqdm")
    config = ExploreConfig(data, **{k: v for k, v in options.items() if v is not None})
    folder = Path(out or f"explore/{default_name(data)}")
    if not Path(data).exists():
        raise DataError(f"There is no dataset {data}. Check the path.")
    library.check_output(folder, config)
    found = library.explore(config, progress=partial(_bar, verb="Reading"))
    save_exploration(found, folder)
    click.echo(findings_table(found))
    note(f"\nWrote {folder / 'explore.html'}")
    library.check_gate(found, fail_on)


@cli.command()
@click.argument("model", metavar="RUN|MODEL")
@click.argument("data", required=False)
@click.option("--out", metavar="DIR", help="Folder to write. [default: evaluate/NAME]")
@click.option("--root", default="", metavar="DIR", help="Folder that DATA's paths start from.")
@click.option(
    "--split",
    "splits",
    type=click.Choice((*SPLITS, "all")),
    multiple=True,
    help="Judge this part only; may be given again. [default: all parts]",
)
@click.option(
    "--allow-missing", is_flag=True, help="Judge on data that lacks some of the model's classes."
)
@click.option("--cache", metavar="DIR", help="Feature cache. [default: ~/.cache/har-edge/features]")
@click.option(
    "--backend",
    type=click.Choice(BACKENDS),
    default="auto",
    show_default=True,
    help="Runtime of a .tflite or .onnx model.",
)
@click.option(
    "--num-threads",
    type=click.IntRange(min=1),
    metavar="N",
    default=lambda: min(4, os.cpu_count() or 1),
    show_default="cores, at most 4",
    help="Threads of that runtime.",
)
def evaluate(
    model: str,
    data: str | None,
    out: str | None,
    root: str,
    splits: tuple[str, ...],
    allow_missing: bool,
    cache: str | None,
    **runtime: Any,
) -> None:
    """Say how good a model is: a run folder, a .keras file in one, a .tflite or .onnx file, or a
    bundled model by its name, har15 or clips.

    DATA is a folder of classes or a manifest, judged by its splits, or all as one part where it
    names none; or a run folder, for its data as it was split. Left out, it is the run's own.
    Converted files run in the edge's runtime, as har-edge runs them.

    \b
    Examples:
      har-train evaluate runs/mine
      har-train evaluate runs/mine NEW_DATA --out report
      har-train evaluate mine-int8.tflite runs/mine --split test
      har-train evaluate clips NEW_DATA --allow-missing
    """
    _prepare_tensorflow()
    from har_train.evaluation import evaluate as library
    from har_train.evaluation.predict import is_run, load_predictor
    from har_train.features.cache import default_cache
    from har_train.reports.tables import PART_NAMES, class_table, judged_part

    _check_installed(*(["keras"] if is_run(model) else []), "sklearn", "matplotlib", "tqdm")
    folder = Path(out) if out else library.default_folder(model, data)
    library.check_output(folder)
    judged = library.load_data(model, data, root=root, splits=splits)
    predictor = load_predictor(
        model, cache=Path(cache) if cache else default_cache(), stride=judged.stride, **runtime
    )
    library.check_labels(predictor.spec.labels, judged, allow_missing=allow_missing)
    bar = partial(_bar, verb="Evaluating")
    found = library.evaluate(model, predictor, judged, progress=bar, say=_say)
    library.save_evaluation(found, folder)
    name = judged_part(found.parts)
    _show_metrics(found.metrics, found.spec.clip.num_frames)
    click.echo(f"\nClasses, {PART_NAMES[name]} files:")
    click.echo(class_table(found.parts[name], found.spec.labels))
    note(f"\nWrote {folder}")


@cli.command()
@click.argument("run", metavar="RUN")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--out", metavar="DIR", help="Folder to write to. [default: explain/NAME]")
@click.option(
    "--action", metavar="LABEL", help="Show what speaks for this action. [default: the predicted]"
)
@click.pass_context
def explain(
    ctx: click.Context, /, run: str, files: tuple[str, ...], out: str | None, action: str | None
) -> None:
    """Show where the model of RUN saw what it says of pictures and clips (Grad-CAM).

    For each FILE a picture is written with the frames of its most confident window, coloured by
    how much each place spoke for the action; for a clip also a video of all its frames.

    \b
    Examples:
      har-train explain runs/mine clip.mp4 photo.jpg
      har-train explain runs/mine clip.mp4 --action falling --out why
    """
    _prepare_tensorflow()
    from har_train.explain.explain import explain_files, load_explainer

    _check_installed("keras", "matplotlib", "tqdm")
    explainer = load_explainer(run)
    folder = Path(out) if out else Path("explain") / explainer.name
    tick = _open_bar(len(files), "Explaining", "file")
    failed = 0
    for found in explain_files(explainer, [Path(f) for f in files], folder, action=action):
        tick(1)
        if isinstance(found, HarError):
            failed += 1
            _say(f"Error: {found}")
        else:
            click.echo(f"{found.path}: {found.action} {found.probability:.1%}")
    if failed < len(files):
        note(f"\nWrote {folder}")
    ctx.exit(1 if failed else 0)


def _prepare_tensorflow() -> None:
    """Set what TensorFlow reads when it is first imported: silence, and figures that repeat."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # its sums differ from run to run


def main() -> NoReturn:
    """Entry point of `har-train`."""
    run_command(cli)
