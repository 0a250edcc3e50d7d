"""Settings of a training run: frozen, and the same in memory and in `config.toml`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from har_edge.errors import DataError, MissingExtraError
from har_edge.model.spec import Resize
from har_edge.paths import display_path

Head = Literal["lstm", "gru", "bilstm", "attention", "mean"]
HeadInput = Literal["features", "differences"]
Balance = Literal["none", "weights", "sampling"]
Keep = Literal["best", "last"]


Range = tuple[Callable[[Any], bool], str]

NOT_NEGATIVE: Range = (lambda value: value >= 0, "0 or more")
SHARE: Range = (lambda value: 0 <= value <= 1, "from 0 to 1")
BELOW_1: Range = (lambda value: 0 <= value < 1, "at least 0 and below 1")
HELD_OUT: Range = (lambda value: 0 < value <= 0.5, "above 0 and at most 0.5")


def _one_of(names: Any) -> Range:
    return (lambda value: value in get_args(names), f"one of {get_args(names)}")


RANGES: Mapping[str, Range] = {
    "val_fraction": HELD_OUT,
    "test_fraction": HELD_OUT,
    "head": _one_of(Head),
    "head_input": _one_of(HeadInput),
    "balance": _one_of(Balance),
    "keep": _one_of(Keep),
    "views": NOT_NEGATIVE,
    "augment_strength": NOT_NEGATIVE,
    "augment_erase": BELOW_1,
    "mixup": NOT_NEGATIVE,
    "cutmix": NOT_NEGATIVE,
    "mix_share": SHARE,
    "label_smoothing": BELOW_1,
    "fine_tune_blocks": NOT_NEGATIVE,
    "fine_tune_size": NOT_NEGATIVE,
    "fine_tune_frames": NOT_NEGATIVE,
    "ema": BELOW_1,
    "teacher_share": SHARE,
}


@dataclass(frozen=True)
class FitConfig:
    """Everything needed to run a training again.

    Attributes:
        data: Folder of classes, or a CSV manifest.
        root: Folder that a manifest's paths start from; "" for the manifest's own.
        name: Name of the model, used for file names; "" takes the data's name.
        labels: Labels that the model answers with; empty for all. Samples of other labels are
            learnt beside them, as classes that the finished model leaves out: what they show
            (a bed, a dark room) is no sign of an answer. The run folder lists them in `beside.csv`.
        num_frames: Frames in a window, T; 0 for 1 with stills and 16 with clips.
        frame_rate_hz: Frames sampled per second of a clip.
        size: Height and width of a frame in pixels.
        resize: `stretch` or `crop`, see `har_edge.model.spec.ClipSpec`.
        backbone: Image network, a key of `har_train.model.network.BACKBONES`.
        alpha: Its width multiplier.
        weights: `imagenet`, `none`, a weights file for the backbone without its top, or the
            `model.keras` of a run whose backbone is taken over.
        head: Temporal head: `lstm`, `gru`, `bilstm`, `attention` or `mean`.
        head_input: What the head sees of the frames: their `features`, or the `differences` of each
            frame's features from those of the frame before: motion without the scene.
        lstm_units: Size of the recurrent layer.
        dense_units: Sizes of the dense layers behind it.
        feature_dropout: Share of features dropped on their way into the head.
        dropout: Share of units dropped after each dense layer.
        weight_decay: AdamW's.
        epochs: Most passes over the training windows.
        batch_size: Windows in a step.
        learning_rate: AdamW's.
        patience: Epochs without a better validation loss before training stops.
        keep: Weights that a stage ends with: of the epoch that is `best` by validation loss, or
            of the `last` one, to whose end the learning rate falls to 0. For validation parts of
            some dozen clips, which cannot tell epochs apart.
        window_stride: Frames between the starts of two windows of a clip; 0 for T / 4.
        views: Augmented views of each training sample, encoded once; 0 for none.
        augment_strength: Factor on the ranges of shift, zoom, brightness, contrast, saturation.
        augment_flip: Whether views may swap left and right.
        augment_erase: Share of views with a grey rectangle over them.
        mixup: A of the Beta(A, A) that two windows are mixed by; 0 for none.
        cutmix: A of the Beta(A, A) of the area of another window that stage 2 pastes into each
            frame, with `fresh_views`; 0 for none.
        mix_share: Share of batches that are mixed; a batch gets one of the two.
        label_smoothing: Share of each target that is spread over all classes.
        balance: What evens out rare classes: `none`, loss `weights` or `sampling`.
        fine_tune_blocks: Top blocks of the backbone that stage 2 trains; 0 for no stage 2.
        fine_tune_epochs: Most epochs of stage 2.
        fine_tune_rate: Its highest learning rate; a cosine schedule with warm-up leads to 0.
        fresh_views: Whether stage 2 draws every frame anew in every epoch, from pixels, instead
            of reading cached views: slower, and better where the data is small.
        fine_tune_size: Height and width of frames that stage 2 learns from with `fresh_views`; 0
            for `size`. What is learnt at 160 pixels holds at 224, for half of the time.
        fine_tune_frames: Frames of a window that stage 2 learns from with `fresh_views`; 0 for T.
            Frames of a clip resemble each other: one of 16 costs a sixteenth, beside validation.
        teacher: The `model.keras` of a run, whose answers to each drawn window are learnt beside
            its label, with `fresh_views`; "" for none. It is to have the same labels.
        teacher_share: Share of its answers in the target.
        mixed_precision: Whether stage 2 computes in bfloat16; for machines with units for it.
        ema: Momentum of the average of weights that stage 2 keeps, such as 0.99; 0 for none.
        val_fraction, test_fraction: Shares held out where the data names no split.
        seed: Of all random choices.
        deterministic: Whether the same run gives the same weights on the same machine; without,
            TensorFlow adds in any order, nearly twice as fast.
        about: Texts for the spec and the model card: description, license, data, limits.
    """

    data: str
    root: str = ""
    name: str = ""
    labels: tuple[str, ...] = ()
    num_frames: int = 0
    frame_rate_hz: float = 8.0
    size: int = 224
    resize: Resize = "stretch"
    backbone: str = "mobilenet_v2"
    alpha: float = 1.0
    weights: str = "imagenet"
    head: Head = "lstm"
    head_input: HeadInput = "features"
    lstm_units: int = 128
    dense_units: tuple[int, ...] = (256, 128)
    feature_dropout: float = 0.5
    dropout: float = 0.3
    weight_decay: float = 0.01
    epochs: int = 60
    batch_size: int = 32
    learning_rate: float = 5e-4
    patience: int = 8
    keep: Keep = "best"
    window_stride: int = 0
    views: int = 0
    augment_strength: float = 1.0
    augment_flip: bool = True
    augment_erase: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    mix_share: float = 1.0
    label_smoothing: float = 0.0
    balance: Balance = "none"
    fine_tune_blocks: int = 0
    fine_tune_epochs: int = 10
    fine_tune_rate: float = 1e-4
    fresh_views: bool = False
    fine_tune_size: int = 0
    fine_tune_frames: int = 0
    teacher: str = ""
    teacher_share: float = 0.7
    mixed_precision: bool = False
    ema: float = 0.0
    val_fraction: float = 0.15
    test_fraction: float = 0.15
    seed: int = 0
    deterministic: bool = True
    about: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for f in fields(self):
            value, kind = getattr(self, f.name), type(f.default)
            if kind in (str, bool, int, float) and not isinstance(
                value, (int, float) if kind is float else kind
            ):
                raise DataError(f"{f.name} should be of type {kind.__name__}. Received {value!r}.")
            # A path of other bytes could not be written to the run's config.toml.
            if isinstance(value, str) and display_path(value) != value:
                raise DataError(
                    f"{f.name} should be spelled in UTF-8. Received '{display_path(value)}'. "
                    "Rename it."
                )
        for name, (fits, words) in RANGES.items():
            if not fits(getattr(self, name)):
                raise DataError(f"{name} should be {words}. Received {getattr(self, name)!r}.")
        if self.head_input == "differences" and self.num_frames == 1:
            raise DataError(
                "head_input='differences' needs windows of 2 frames or more. Received num_frames=1."
            )
        if self.teacher and not self.fine_tune_blocks:
            raise DataError(
                "A teacher is asked while the backbone is fine-tuned. Received --teacher "
                f"{self.teacher} without --fine-tune-blocks. Add --fine-tune-blocks N and "
                "--fresh-views, or leave the teacher out."
            )
        self._check_pixels()
        self._check_drawn_frames()
        if "/" in self.name or "\\" in self.name:
            raise DataError(f"name becomes a file name, without slashes. Received {self.name!r}.")

    def _check_pixels(self) -> None:
        """Refuse what only fresh views can do."""
        given = self._pixel_options()
        if given and not self.fresh_views:
            raise DataError(
                "Expected --fresh-views, for cached views have no pixels to learn from. Received "
                f"{' and '.join(given)} without it. Add --fresh-views (in a file: fresh_views = "
                f"true), or leave out {' and '.join(given)}."
            )

    def _check_drawn_frames(self) -> None:
        """Refuse windows for stage 2 that the head cannot see."""
        least = 2 if self.head_input == "differences" else 1
        # T may still be chosen by the data, see `num_frames`.
        most = self.num_frames or self.fine_tune_frames
        if self.fine_tune_frames and not least <= self.fine_tune_frames <= most:
            raise DataError(
                f"fine_tune_frames should be from {least} to num_frames"
                f"{f', {self.num_frames} here' if self.num_frames else ''}. "
                f"Received {self.fine_tune_frames}."
            )

    def _pixel_options(self) -> list[str]:
        """What was chosen for fresh views alone; spelled as options, for few write TOML."""
        return [
            *([f"--fine-tune-size {self.fine_tune_size}"] if self.fine_tune_size else []),
            *([f"--fine-tune-frames {self.fine_tune_frames}"] if self.fine_tune_frames else []),
            *([f"--cutmix {self.cutmix:g}"] if self.cutmix else []),
            *([f"--teacher {self.teacher}"] if self.teacher else []),
        ]

    @property
    def without_effect(self) -> list[str]:
        """What was chosen for a fine-tuning that does not take place."""
        if self.fine_tune_blocks:
            return []
        return [
            *(["--fresh-views", *self._pixel_options()] if self.fresh_views else []),
            *([f"--ema {self.ema:g}"] if self.ema else []),
            *(["--mixed-precision"] if self.mixed_precision else []),
        ]

    @property
    def drawn_size(self) -> int:
        """Height and width of the frames that stage 2 draws from pixels."""
        return self.fine_tune_size or self.size

    @property
    def drawn_frames(self) -> int:
        """Frames of the windows that stage 2 draws from pixels."""
        return self.fine_tune_frames or self.num_frames

    @property
    def stride(self) -> int:
        """Frames between the starts of two windows."""
        return self.window_stride or max(1, self.num_frames // 4)


def default_name(data: str) -> str:
    """Name of a model after its data: the folder's, or the manifest's without its ending."""
    path = Path(data).absolute()
    return path.stem if path.suffix.lower() == ".csv" else path.name


def load_config(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read settings from TOML; unknown ones are refused.

    Raises:
        DataError: if the file is missing, no TOML, or names a setting that does not exist.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    try:
        values: dict[str, Any] = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise DataError(f"{path} is not valid TOML: {error}.") from error
    known = {f.name for f in fields(FitConfig)}
    unknown = sorted(values.keys() - known)
    if unknown:
        raise DataError(
            f"{path} names settings that do not exist: {', '.join(unknown)}. "
            f"Known ones: {', '.join(sorted(known))}."
        )
    for name in {"dense_units", "labels"} & values.keys():
        values[name] = tuple(values[name])
    return values


def save_config(config: FitConfig, path: Path) -> None:
    """Write settings as TOML that `load_config` reads."""
    try:
        import tomli_w
    except ImportError as error:
        raise MissingExtraError("train", "tomli-w") from error
    path.write_text(tomli_w.dumps(asdict(config)), encoding="utf-8")
