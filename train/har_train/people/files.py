"""Files with a `locate` network as `judge` runs them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from har_edge.arrays import FloatArray, Pixels
from har_edge.errors import ModelFileError
from har_edge.model.people_file import read_people_file
from har_edge.model.runtimes import import_runtime
from har_edge.paths import display_path
from har_edge.people.rescore import rescore
from har_train.people.views import View, back_to_picture, show

SIGNATURE = "locate"


class FileFinder:
    """Finds people with a file that har-convert made.

    Args:
        path: The file.
        num_threads: Threads of the runtime.

    Attributes:
        spec: What the file says about itself.

    Raises:
        ModelFileError: if it is no such file.
        SpecError: if its spec is broken, or of another kind.
    """

    def __init__(self, path: str | os.PathLike[str], num_threads: int = 1) -> None:
        self.spec, network = read_people_file(path)
        if self.spec.height != self.spec.width:
            raise ModelFileError(
                f"{display_path(Path(path))} should take a square. Received "
                f"{self.spec.height} x {self.spec.width}. Train with har-train people."
            )
        # A runner does not keep what it runs: without these two it reads memory that is gone.
        self._network = network
        self._interpreter = import_runtime("litert").Interpreter(
            model_content=network, num_threads=num_threads
        )
        self._runner = self._interpreter.get_signature_runner(SIGNATURE)
        self._dtype = self._runner.get_input_details()["frame"]["dtype"]

    def __call__(self, picture: Pixels) -> FloatArray:
        """People of a picture, (M, 56), in fractions of it."""
        frame = show(picture, View(), self.spec.height)[np.newaxis].astype(self._dtype)
        rows = np.asarray(self._runner(frame=frame)["people"][0], np.float32)
        height, width = picture.shape[:2]
        found = back_to_picture(rows[rows[:, 0] > 0], height, width)
        return rescore(found, width / height, self.spec.rescore)
