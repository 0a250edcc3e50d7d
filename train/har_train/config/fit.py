"""All settings of a training run in one object: groups inside, flat names where users write."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from har_edge.errors import DataError
from har_train.config.fine_tune import FineTuneConfig
from har_train.config.groups import (
    AugmentConfig,
    BackboneConfig,
    DataConfig,
    HeadConfig,
    TrainingConfig,
    WindowConfig,
)
from har_train.config.setting import Setting, settings_of


@dataclass(frozen=True)
class FitConfig:
    """Everything needed to run a training again.

    Users write settings by flat names, the same in `config.toml`, as options of `har-train fit`
    and in calls from Python; code reads them by their groups.

    Attributes:
        data: What is learnt from, and what the model is called.
        window: Frames of a window, their rate and size.
        backbone: The image network.
        head: The temporal head.
        training: How the head is trained, and what both stages share.
        augment: What is made of the training samples.
        fine_tune: Stage 2, which trains the top of the backbone.

    Example:
        >>> config = FitConfig.of(data="clips", num_frames=8, fine_tune_blocks=2)
        >>> config.window.num_frames, config.fine_tune.blocks, config.training.epochs
        (8, 2, 60)
        >>> config.with_(epochs=5).training.epochs
        5
    """

    data: DataConfig
    window: WindowConfig = field(default_factory=WindowConfig)
    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    head: HeadConfig = field(default_factory=HeadConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    fine_tune: FineTuneConfig = field(default_factory=FineTuneConfig)

    @classmethod
    def of(cls, **settings: object) -> FitConfig:
        """Make settings of flat names; those left out have their defaults.

        Raises:
            DataError: if one does not exist, is out of range, or does not fit the others.
        """
        if unknown := sorted(settings.keys() - SETTINGS.keys()):
            raise DataError(f"There are no such settings: {unknown_settings(unknown)}")
        if "data" not in settings:
            raise DataError("The setting data is missing. Give the folder or manifest to train on.")
        values: dict[str, dict[str, object]] = {name: {} for name in GROUPS}
        for key, value in settings.items():
            group, found = SETTINGS[key]
            values[group][found.attribute] = found.take(value)
        return cls(**{name: kind(**values[name]) for name, kind in GROUPS.items()})

    def flat(self) -> dict[str, object]:
        """All settings by their flat names, which `of` takes again."""
        return {
            key: getattr(getattr(self, group), found.attribute)
            for key, (group, found) in SETTINGS.items()
        }

    def with_(self, **settings: object) -> FitConfig:
        """The same settings but for those given by their flat names.

        Raises:
            DataError: as `of`.
        """
        return FitConfig.of(**self.flat() | settings)

    def __post_init__(self) -> None:
        if self.head.input == "differences" and self.window.num_frames == 1:
            raise DataError(
                "head_input='differences' needs windows of at least 2 frames. Received "
                "num_frames=1. Use more frames, or head_input='features'."
            )
        if self.fine_tune.teacher and not self.fine_tune.blocks:
            raise DataError(
                "A teacher is used only while the backbone is fine-tuned. Received --teacher "
                f"{self.fine_tune.teacher} without --fine-tune-blocks. Add --fine-tune-blocks N "
                "and --fresh-views, or leave the teacher out."
            )
        if self.data.unlabelled and not self.fine_tune.teacher:
            raise DataError(
                "Samples without labels are learnt by those that a teacher gives them. Received "
                f"--unlabelled {self.data.unlabelled} without --teacher. Add --teacher RUN, such "
                "as a run on the labelled samples alone."
            )
        self._check_poses()
        self._check_pixels()
        self._check_drawn_frames()

    def _check_poses(self) -> None:
        """Refuse what learns from pixels where there are none."""
        if self.head.of_people and self.fine_tune.blocks:
            raise DataError(
                f"A model of poses has no backbone to fine-tune. Received --head-input "
                f"{self.head.input} with --fine-tune-blocks {self.fine_tune.blocks}. Leave "
                "--fine-tune-blocks out."
            )

    def _check_pixels(self) -> None:
        """Refuse what only fresh views can do."""
        given = self._pixel_options()
        if given and not self.fine_tune.fresh_views:
            raise DataError(
                "Expected --fresh-views, since cached views have no pixels to learn from. "
                f"Received {' and '.join(given)} without it. Add --fresh-views (in a file: "
                f"fresh_views = true), or leave out {' and '.join(given)}."
            )

    def _check_drawn_frames(self) -> None:
        """Refuse windows for stage 2 that the head cannot see."""
        num_frames, drawn = self.window.num_frames, self.fine_tune.frames
        least = 2 if self.head.input == "differences" else 1
        # T may still be chosen by the data, see `WindowConfig.num_frames`.
        if drawn and not least <= drawn <= (num_frames or drawn):
            raise DataError(
                f"fine_tune_frames should be from {least} to num_frames"
                f"{f', {num_frames} here' if num_frames else ''}. "
                f"Received {drawn}."
            )

    def _pixel_options(self) -> list[str]:
        """What was chosen for fresh views alone; spelled as options, for few write TOML."""
        tune, cutmix = self.fine_tune, self.augment.cutmix
        return [
            *([f"--fine-tune-size {tune.size}"] if tune.size else []),
            *([f"--fine-tune-frames {tune.frames}"] if tune.frames else []),
            *([f"--cutmix {cutmix:g}"] if cutmix else []),
            *([f"--teacher {tune.teacher}"] if tune.teacher else []),
            *([f"--crop-people {tune.crop_people}"] if tune.crop_people else []),
        ]

    @property
    def without_effect(self) -> list[str]:
        """What was chosen for a fine-tuning that does not take place."""
        tune = self.fine_tune
        if tune.blocks:
            return []
        return [
            *(["--fresh-views", *self._pixel_options()] if tune.fresh_views else []),
            *([f"--ema {tune.ema:g}"] if tune.ema else []),
            *(["--mixed-precision"] if tune.mixed_precision else []),
        ]

    @property
    def without_pixels(self) -> list[str]:
        """What was chosen for pixels, which a model of poses never sees."""
        if not self.head.of_people:
            return []
        return [
            f"{SETTINGS[key][1].option} {value}"
            for key, value in self.flat().items()
            if key in OF_PIXELS and value != SETTINGS[key][1].default
        ]

    @property
    def drawn_size(self) -> int:
        """Height and width of the frames that stage 2 draws from pixels."""
        return self.fine_tune.size or self.window.size

    @property
    def drawn_frames(self) -> int:
        """Frames of the windows that stage 2 draws from pixels."""
        return self.fine_tune.frames or self.window.num_frames


GROUPS: Mapping[str, type] = {
    "data": DataConfig,
    "window": WindowConfig,
    "backbone": BackboneConfig,
    "head": HeadConfig,
    "training": TrainingConfig,
    "augment": AugmentConfig,
    "fine_tune": FineTuneConfig,
}
# Every setting by its flat name, with the group that it stands in.
SETTINGS: Mapping[str, tuple[str, Setting]] = {
    found.key: (name, found) for name, group in GROUPS.items() for found in settings_of(group)
}

# Of them, those that say something of pixels alone.
OF_PIXELS = {"size", "resize", "view", "backbone", "alpha", "weights", "augment_erase"}


def unknown_settings(names: Collection[str]) -> str:
    """Name settings that do not exist, and those that do."""
    return f"{', '.join(names)}. Choose from: {', '.join(sorted(SETTINGS))}."


def default_name(data: str) -> str:
    """Name of a model after its data: the folder's, or the manifest's without its ending."""
    path = Path(data).absolute()
    return path.stem if path.suffix.lower() == ".csv" else path.name
