"""A training's result on disk, loaded again: the Keras model of a run folder in its two parts."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from har_edge.errors import DataError
from har_edge.model.spec import ModelSpec
from har_edge.paths import display_path
from har_edge.run_folder import CONFIG_NAME, MODEL_NAME, SPEC_NAME, read_run
from har_train.config import FitConfig, load_config
from har_train.model.network import import_keras
from har_train.model.types import KerasModel


@dataclass(frozen=True)
class KerasRun:
    """A trained Keras model in its two parts.

    Attributes:
        path: The `.keras` file.
        spec: What the run folder says of it.
        config: Settings that it was trained with.
        encoder: (N, H, W, 3) pixels in 0..255 -> (N, D) features; None for a model of poses.
        classifier: (N, T, D) features -> (N, C) probabilities, untempered.
    """

    path: Path
    spec: ModelSpec
    config: FitConfig
    encoder: KerasModel | None
    classifier: KerasModel

    @property
    def frame_encoder(self) -> KerasModel:
        """The encoder of a model that sees pixels.

        Raises:
            DataError: if it sees poses alone.
        """
        if self.encoder is None:
            raise DataError(
                f"Expected a model that sees pixels. {display_path(self.path.parent)} sees "
                f"{' and '.join(self.spec.head_inputs)} alone, so that there is no picture to look "
                "at. Give a run of pictures, clips or crops."
            )
        return self.encoder


def load_run(path: str | os.PathLike[str]) -> KerasRun:
    """Load a run folder's model.

    Args:
        path: The folder, or a `.keras` file in it.

    Raises:
        DataError: if anything is missing or damaged.
        SpecError: if the spec is broken.
    """
    given = Path(path)
    file = given if given.suffix == ".keras" and not given.is_dir() else given / MODEL_NAME
    missing = [p.name for p in (file, file.parent / SPEC_NAME) if not p.is_file()]
    if missing:
        raise DataError(
            f"{display_path(file.parent)} should be a run folder. It lacks "
            f"{', '.join(missing)}. Give a folder written by har-train fit, or a .keras file in "
            "one."
        )
    spec = read_run(file.parent).spec
    config = load_settings(file.parent)
    encoder, classifier = _load_parts(file, of_poses="features" not in spec.head_inputs)
    expected = spec.clip.frame_shape if encoder else (spec.clip.num_frames, spec.row_size)
    taken = (encoder or classifier).input_shape[1:]
    outputs = classifier.output_shape[-1]
    if outputs != len(spec.labels) or taken != expected:
        raise DataError(
            f"{display_path(file)} should have {len(spec.labels)} classes and take "
            f"{'frames' if encoder else 'windows'} of shape {expected}, as spec.json says. "
            f"Received {outputs} and {taken}. Put the model next to its own spec.json."
        )
    return KerasRun(file, spec, config, encoder, classifier)


def load_settings(folder: Path) -> FitConfig:
    """Read the settings of a run folder.

    Raises:
        DataError: if they are missing or broken.
    """
    settings = load_config(folder / CONFIG_NAME)
    if "data" not in settings:
        raise DataError(f"{display_path(folder / CONFIG_NAME)} should name its data. Train again.")
    return FitConfig.of(**settings)


def _load_parts(file: Path, *, of_poses: bool) -> tuple[KerasModel | None, KerasModel]:
    """Load a model that `model.join_model` joined, or a head alone."""
    keras = import_keras()
    try:
        model = keras.models.load_model(file, compile=False)
        if of_poses:
            return None, model
        return model.get_layer("frames").layer, model.get_layer("classify")
    # Keras raises whatever zipfile, json and h5py raise, and bare ValueError for layers.
    except Exception as error:
        raise DataError(
            f"{display_path(file)} cannot be loaded as a model of har-train: {error} "
            "Copy it again, or train again."
        ) from error
