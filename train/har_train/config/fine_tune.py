"""The settings of stage 2, which trains the top of the backbone."""

from __future__ import annotations

from dataclasses import dataclass

from har_train.config.groups import BELOW_1, FROM_1, NOT_NEGATIVE, PIXELS, POSITIVE, SHARE, Group
from har_train.config.setting import setting


@dataclass(frozen=True)
class FineTuneConfig(Group):
    """Stage 2: training the top of the backbone, too.

    Attributes:
        blocks: Top blocks of the backbone that stage 2 trains; 0 for no stage 2.
        epochs: Most epochs of stage 2.
        rate: Its highest learning rate; a cosine schedule with warm-up leads to 0.
        fresh_views: Whether stage 2 draws every frame anew in every epoch, from pixels, instead
            of reading cached views: slower, and better where the data is small.
        size: Height and width of frames that stage 2 learns from with `fresh_views`; 0 for the
            window's. What is learnt at 160 pixels holds at 224, for half of the time.
        frames: Frames of a window that stage 2 learns from with `fresh_views`; 0 for T.
            Frames of a clip resemble each other: one of 16 costs a sixteenth, beside validation.
        teacher: Run folders, by commas, whose answers to each drawn window (the mean of several)
            are learnt beside its label, with `fresh_views`; they are to have the same labels.
        teacher_share: Share of its answers in the target.
        mixed_precision: Whether stage 2 computes in bfloat16; for machines with units for it.
        crop_people: Detector of people, an SSD as .tflite; "" for none. With `fresh_views`, views
            are then drawn of the picture, of its largest person, or of that person with some room,
            a third each.
        ema: Momentum of the average of weights that stage 2 keeps, such as 0.99; 0 for none.
    """

    blocks: int = setting(
        0,
        key="fine_tune_blocks",
        metavar="N",
        allowed=NOT_NEGATIVE,
        help="Top blocks of the backbone to fine-tune after the head.",
    )
    epochs: int = setting(
        10,
        key="fine_tune_epochs",
        metavar="N",
        allowed=FROM_1,
        help="Largest number of epochs of fine-tuning.",
    )
    rate: float = setting(
        1e-4,
        key="fine_tune_rate",
        metavar="R",
        allowed=POSITIVE,
        help="Highest learning rate of fine-tuning.",
    )
    fresh_views: bool = setting(
        False,
        option="--fresh-views/--cached-views",
        help="Whether fine-tuning draws new views of the pixels in every epoch.",
        shown="cached views",
    )
    size: int = setting(
        0,
        key="fine_tune_size",
        metavar="PX",
        allowed=PIXELS,
        help="Frame size for fine-tuning; needs --fresh-views.",
        shown="--size",
    )
    frames: int = setting(
        0,
        key="fine_tune_frames",
        metavar="N",
        allowed=FROM_1,
        help="Frames of a window to use for fine-tuning; needs --fresh-views.",
        shown="--num-frames",
    )
    teacher: str = setting(
        "",
        metavar="RUN[,RUN...]",
        help="Also learn this run's predictions for the same pictures, or the mean of several "
        "runs'; needs --fresh-views.",
        shown="",
    )
    teacher_share: float = setting(
        0.7, metavar="P", allowed=SHARE, help="Share of the teacher's predictions in a target."
    )
    crop_people: str = setting(
        "",
        metavar="FILE",
        help="Detector of people (SSD as .tflite): views are drawn of the picture, of its largest "
        "person, and of that person with some room; needs --fresh-views.",
        shown="",
    )
    mixed_precision: bool = setting(
        False,
        option="--mixed-precision/--full-precision",
        help="Whether fine-tuning computes in bfloat16, for machines with hardware support.",
        shown="float32",
    )
    ema: float = setting(
        0.0,
        metavar="M",
        allowed=BELOW_1,
        help=(
            "Momentum of the moving average of the weights in fine-tuning, such as 0.99; 0 to "
            "turn it off."
        ),
    )

    @property
    def teachers(self) -> list[str]:
        """The run folders of `teacher`, one by one."""
        return [path.strip() for path in self.teacher.split(",") if path.strip()]
