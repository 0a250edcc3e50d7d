"""Options of `har-train fit` out of the settings themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import click

from har_edge.commands.options.models import MODEL
from har_train.config.fit import SETTINGS
from har_train.config.setting import Setting

Command = TypeVar("Command", bound=Callable[..., object])

# As the help lists them; settings that are not here have no option.
ORDER = (
    "name", "labels", "root", "num_frames", "frame_rate_hz", "size", "resize", "view",
    "backbone", "alpha", "head", "head_input", "lstm_units", "weights", "epochs", "patience",
    "keep", "batch_size", "learning_rate", "feature_dropout", "weight_decay", "dropout", "views",
    "augment_strength", "augment_flip", "augment_erase", "mixup", "cutmix", "mix_share",
    "label_smoothing", "balance", "fine_tune_blocks", "fine_tune_epochs", "fine_tune_rate",
    "fresh_views", "fine_tune_size", "fine_tune_frames", "teacher", "teacher_share",
    "unlabelled", "unlabelled_precision", "crop_people", "mixed_precision", "ema", "seed",
    "deterministic",
)  # fmt: skip


def setting_options(command: Command) -> Command:
    """Give a command an option for each setting; those that are not typed arrive as None."""
    for key in reversed(ORDER):
        command = _option(SETTINGS[key][1])(command)
    return command


def _option(setting: Setting) -> Callable[[Command], Command]:
    return click.option(
        setting.option,
        setting.key,
        type=MODEL if setting.key == "weights" else _type(setting),
        default=None,
        metavar=setting.facts.metavar,
        callback=_parse_labels if setting.is_list else None,
        help=setting.help,
    )


def _type(
    setting: Setting,
) -> click.Choice[str] | click.types.IntParamType | click.types.FloatParamType | None:
    """What the command line takes: a choice, a number in its range, or any text."""
    bounds, whole = setting.facts.allowed, isinstance(setting.default, int)
    if isinstance(bounds, tuple):
        return click.Choice(bounds)
    if setting.is_list or isinstance(setting.default, (bool, str)):
        return None
    if bounds is None:
        return click.INT if whole else click.FLOAT
    least = bounds.least if bounds.above is None else bounds.above
    most = bounds.most if bounds.below is None else bounds.below
    if whole:
        return click.IntRange(
            None if least is None else int(least), None if most is None else int(most)
        )
    return click.FloatRange(
        least, most, min_open=bounds.above is not None, max_open=bounds.below is not None
    )


def _parse_labels(
    context: click.Context, option: click.Parameter, value: str | None
) -> tuple[str, ...] | None:
    """Read `--labels`; an empty list would quietly mean all of them."""
    from har_edge.recognition.decide import parse_labels

    labels = parse_labels(value)
    if value and not labels:
        raise click.BadParameter(f"should be labels. Received {value!r}.", context, option)
    return labels or None
