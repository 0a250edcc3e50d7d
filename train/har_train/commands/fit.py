"""`har-train fit`: train, from the start or where a training was interrupted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from har_edge.commands.harness import note
from har_edge.paths import display_path
from har_train.commands.progress import WATCH, show_metrics
from har_train.commands.settings import setting_options
from har_train.config import FitConfig, load_config

if TYPE_CHECKING:
    from har_train.trained_run import TrainedRun
    from har_train.training.distribute import StrategyName


@click.command()
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
    **options: object,
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
    from har_train import trained_run as library
    from har_train.training.means import FitMeans

    means = FitMeans(cache, tensorboard, workers, ray, strategy, WATCH)
    if resume:
        if data or out or config_file or any(v is not None for v in options.values()):
            raise click.UsageError("--resume takes all settings from RUN; leave the others out.")
        run = library.resume(resume, means=means)
    else:
        settings = load_config(config_file) if config_file else {}
        settings.update({k: v for k, v in options.items() if v is not None})
        if data:
            settings["data"] = data
        if not settings.get("data"):
            raise click.UsageError("DATA is missing: give a folder, a manifest or --config.")
        run = library.fit(config=FitConfig.of(**settings), out=out, means=means)
    if run.written:
        _show(run)


def _show(run: TrainedRun) -> None:
    note("")
    show_metrics(run.metrics, run.spec.clip.num_frames)
    if run.left_out:
        # Named when they were met, which may be hundreds of lines ago.
        names = ", ".join(display_path(path.name) for path in run.left_out[:5])
        more = ", ..." if len(run.left_out) > 5 else ""
        note(f"\nLeft out unreadable files ({len(run.left_out)}): {names}{more}")
    note(
        f"\nKept epoch {run.best_epoch}. Wrote {run.folder}. Next: har-convert {run.folder} --int8"
    )
