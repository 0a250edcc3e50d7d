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
@click.option("--out", metavar="RUN", help="Run folder to write to. [default: runs/NAME-DATE]")
@click.option(
    "--config",
    "config_file",
    metavar="FILE",
    help="Settings as TOML, such as the config.toml of a run folder; options take precedence.",
)
@setting_options
@click.option("--cache", metavar="DIR", help="Feature cache. [default: ~/.cache/har-edge/features]")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help=("Processes that encode frames; each needs about 700 MB of memory. 1 means this process."),
)
@click.option(
    "--ray",
    metavar="ADDRESS",
    help="Encode on a running Ray cluster instead: auto, HOST:PORT or ray://HOST:PORT. All "
    "nodes must see DATA and --cache under the same paths.",
)
@click.option(
    "--strategy",
    type=click.Choice(("mirrored", "multiworker")),
    help="Train on all GPUs of this machine, or on the machines that TF_CONFIG names: give "
    "each the same command, and the same --cache if they share one. [default: one device]",
)
@click.option("--resume", metavar="RUN", help="Continue the interrupted training of RUN.")
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

    A manifest may also name people by FILE.npz#N, from har-train poses or of skeletons, for
    --head-input pose,motion.

    Stills: jpg, png, webp, bmp. Clips: mp4, avi, mkv, mov, webm. The frozen backbone encodes every
    frame once, so a second run on the same data takes seconds; --fine-tune-blocks trains its top
    as well. --resume continues a training that was interrupted.

    \b
    Examples:
      har-train fit DATA --out runs/mine
      har-train fit --config runs/mine/config.toml --seed 1 --out runs/mine-1
      har-train fit poses/poses.csv --head-input pose,motion --views 8 --out runs/poses
      har-train fit --resume runs/mine
    """
    from har_train import trained_run as library
    from har_train.training.means import FitMeans

    means = FitMeans(cache, tensorboard, workers, ray, strategy, WATCH)
    if resume:
        if data or out or config_file or any(v is not None for v in options.values()):
            raise click.UsageError("--resume takes all settings from RUN. Leave the others out.")
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
