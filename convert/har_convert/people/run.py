"""The run folder of `har-train people`, as conversion reads it."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from har_edge.arrays import FloatArray, Pixels
from har_edge.errors import DataError
from har_edge.model.people_spec import PeopleSpec
from har_edge.paths import display_path
from har_edge.run_folder import MODEL_NAME

if TYPE_CHECKING:
    import keras

PEOPLE_SPEC_NAME = "people.json"
CALIBRATION_NAME = "representative.npz"
HELD_OUT_NAME = "held_out.npz"


@dataclass(frozen=True, eq=False)
class PeopleRun:
    """A run folder.

    Attributes:
        folder: Where it lies.
        spec: What the network is.
        calibration: Inputs of the training part, (N, H, W, 3).
        held_out: Inputs of the part that is kept out, (M, H, W, 3).
        boxes: The teacher's boxes in these, (K, 4): left, top, right, bottom, in [0, 1].
        box_of: Number of the input that each box lies in, (K,).
    """

    folder: Path
    spec: PeopleSpec
    calibration: Pixels
    held_out: Pixels
    boxes: FloatArray
    box_of: NDArray[np.intp]


def is_people_run(folder: Path) -> bool:
    """Whether a folder is one that `har-train people` wrote."""
    return (folder / PEOPLE_SPEC_NAME).is_file()


def read_people_run(folder: Path) -> PeopleRun:
    """Read a run folder.

    Raises:
        DataError: if a file of it is missing or damaged.
        SpecError: if its spec is broken.
    """
    try:
        text = (folder / PEOPLE_SPEC_NAME).read_text(encoding="utf-8")
        spec = PeopleSpec.from_json(text, where=PEOPLE_SPEC_NAME)
        with np.load(folder / CALIBRATION_NAME, allow_pickle=False) as arrays:
            calibration = arrays["frames"]
        with np.load(folder / HELD_OUT_NAME, allow_pickle=False) as arrays:
            held_out, boxes, box_of = arrays["frames"], arrays["boxes"], arrays["box_of"]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{display_path(folder)} should be a run folder of har-train people. Received one "
            f"with a missing or damaged file ({error}). Copy it again, or train again."
        ) from error
    for name, frames in ((CALIBRATION_NAME, calibration), (HELD_OUT_NAME, held_out)):
        expected = (spec.height, spec.width, 3)
        if frames.shape[1:] != expected or frames.dtype != np.uint8 or not len(frames):
            raise DataError(
                f"{name} in {display_path(folder)} should hold pictures {expected}, uint8. "
                f"Received {frames.shape}, {frames.dtype}. Train again."
            )
    return PeopleRun(folder, spec, calibration, held_out, boxes, box_of)


def load_network(run: PeopleRun) -> keras.Model:
    """Load the Keras model of a run.

    Raises:
        DataError: if it cannot be loaded, or is another model than the spec says.
    """
    import keras

    path = run.folder / MODEL_NAME
    try:
        model = keras.models.load_model(path, compile=False)
    # Keras raises whatever zipfile, h5py and its own registry raise.
    except Exception as error:
        raise DataError(
            f"{path.name} cannot be loaded: {error}. Expected the file that har-train people "
            "wrote. Copy it again, or train again."
        ) from error
    found = model.input_shape, model.output_shape
    if found != ((1, run.spec.height, run.spec.width, 3), run.spec.people_shape):
        raise DataError(
            f"{path.name} does not fit people.json. Received a model from {found[0]} to "
            f"{found[1]}. Copy both from the same run."
        )
    return model
