"""Open what finds people: the file that a user names, or the model's own `locate`.

A file is first tried in a process of its own, as models are: see `har_edge.model.trial`.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path

import numpy as np

from har_edge.children import answer_parent
from har_edge.config import PeopleConfig
from har_edge.errors import ModelFileError, SpecError
from har_edge.model.file import (
    BUNDLED_FOLDER,
    MAX_FILE_BYTES,
    ModelFile,
    read_model_file,
    resolve_model,
)
from har_edge.model.formats import is_flatbuffer
from har_edge.model.network import Network
from har_edge.model.people_file import read_people_file
from har_edge.model.runtimes import TFLITE_RUNTIMES
from har_edge.model.spec import ModelSpec
from har_edge.model.trial import LIMIT_BYTES, LIMIT_S, LIMIT_TIMES, outcome_of, try_once
from har_edge.paths import display_path
from har_edge.people.choose import LOCATE_EVERY, LOCATE_EVERY_POSE, PeopleRule
from har_edge.people.locate import Locator, PeopleParts
from har_edge.people.networks import (
    NUM_KEYPOINTS,
    ROW,
    SURE_SCORE,
    MultiPoseLocator,
    OwnLocator,
    PosedLocator,
    PoseNetwork,
    SinglePoseLocator,
    SsdLocator,
)

SIGNATURE = "locate"
# The network that comes along: `--people people`.
BUNDLED_PEOPLE = "people"
BUNDLED_FILE = BUNDLED_FOLDER / f"{BUNDLED_PEOPLE}-int8.tflite"
# Neither square nor of any network's size, as pictures are.
TRIAL_SHAPE = (120, 160, 3)
KNOWN = (
    "a file with our own locate network, an SSD or EfficientDet-Lite with TFLite detection "
    "post-processing, or MoveNet"
)


def open_locator(
    people: str | os.PathLike[str],
    pose: str | os.PathLike[str] | None = None,
    *,
    backend: str = "auto",
    num_threads: int = 1,
    max_people: int = 5,
) -> Locator:
    """Open a network that finds people; which kind it is shows by what it gives.

    Args:
        people: `people` for the bundled network, or a `.tflite` file of one of the kinds in
            `har_edge.people.networks`.
        pose: MoveNet single pose, which finds the keypoints of each person.
        backend: As for a model; one that runs no TFLite stands for the first that does.
        num_threads: Threads of the runtime.
        max_people: How many people get keypoints from `pose`, the largest first.

    Raises:
        ModelFileError: if a file is missing, or none of these kinds.
        BackendError: if no runtime is there, or it refuses a network.
    """
    found = _read_kind(resolve_people(people), backend, num_threads)
    if pose is None:
        return SinglePoseLocator(found) if isinstance(found, PoseNetwork) else found
    second = _read_kind(pose, backend, num_threads)
    if not isinstance(second, PoseNetwork):
        raise ModelFileError(
            f"{display_path(pose)} should give the keypoints of one person, as MoveNet single "
            f"pose does. Received {second.name}. Give it with --people alone."
        )
    if isinstance(found, PoseNetwork):
        raise ModelFileError(
            f"{display_path(people)} should find people. Received MoveNet single pose, as for "
            "--pose. Give a detector with --people, or leave --pose out."
        )
    return PosedLocator(found, second, max_people)


def choose_people(model: str | os.PathLike[str] | None, config: PeopleConfig) -> Path | None:
    """Choose what finds people for a model: the file that is named, else the model's own `locate`,
    else the bundled network where the model needs people.

    Args:
        model: As for `load_model`.
        config: How people are found.

    Returns:
        The file; None for whole pictures.

    Raises:
        ModelFileError: if the model is missing, damaged or not one of ours.
    """
    if config.detector is not None:
        return resolve_people(config.detector)
    if config.whole_picture:
        return None
    path = resolve_model(model)
    file = read_model_file(path)
    if has_locate(file):
        return path
    return BUNDLED_FILE if file.spec.needs_people else None


def find_people(
    file: str | os.PathLike[str],
    config: PeopleConfig,
    spec: ModelSpec,
    *,
    backend: str = "auto",
    num_threads: int = 1,
) -> PeopleParts:
    """Try what finds people in a child, and prepare to open it.

    Args:
        file: The detector, or a model with `locate`.
        config: Everything else.
        spec: Of the model that recognises them.
        backend, num_threads: As for `open_locator`.

    Raises:
        ModelFileError, BackendError: as `open_locator` and `try_locator`.
    """
    try_locator(file, config.pose, backend=backend)
    opened = partial(
        open_locator,
        file,
        config.pose,
        backend=backend,
        num_threads=num_threads,
        max_people=config.max_people,
    )
    usual = LOCATE_EVERY if spec.encodes else LOCATE_EVERY_POSE
    return PeopleParts(opened, PeopleRule(config.locate_every or usual, config.max_people))


def has_locate(file: ModelFile) -> bool:
    """Whether a model finds people itself, by the name of its signature.

    A look at the bytes: loading a runtime would take longer than all else that is asked here.
    """
    return SIGNATURE.encode() in file.flatbuffer


def _read_kind(
    path: str | os.PathLike[str], backend: str, num_threads: int
) -> OwnLocator | SsdLocator | MultiPoseLocator | PoseNetwork:
    shown = display_path(path)
    network = Network(read_network(path), backend=backend, num_threads=num_threads, shown=shown)
    if SIGNATURE in network.signatures:
        own = network.signature(SIGNATURE)
        if _is_picture(own.input_shape) and own.output_shape[2:] == (ROW,):
            return OwnLocator(own, *_second_look(path))
        raise ModelFileError(
            f"{shown}: locate should take a picture (1, H, W, 3) and give (1, N, {ROW}). Received "
            f"{own.input_shape} and {own.output_shape}. Convert it again."
        )
    outputs = network.output_shapes
    if len(network.input_shape) == 4 and network.input_shape[3] == 3:
        if outputs == ((1, 1, NUM_KEYPOINTS, 3),) and _is_picture(network.input_shape):
            return PoseNetwork(network)
        if outputs == ((1, 6, ROW),):
            return MultiPoseLocator(network)
        if _is_picture(network.input_shape) and _gives_detections(outputs):
            return SsdLocator(network)
    raise ModelFileError(
        f"{shown} should find people: {KNOWN}. Received a network that takes "
        f"{network.input_shape} and gives {', '.join(map(str, outputs))}. Use another file."
    )


def _second_look(path: str | os.PathLike[str]) -> tuple[float, tuple[float, ...]]:
    """The score from which a file's own network is sure, and weights that give scores anew."""
    try:
        spec, _ = read_people_file(path)
    except (ModelFileError, SpecError):  # a model with `locate` beside its other signatures
        return SURE_SCORE, ()
    return spec.score_threshold, spec.rescore


def resolve_people(file: str | os.PathLike[str]) -> Path:
    """Turn the name of the bundled network, `people`, or a path into a path."""
    if is_bundled_people(file):
        return BUNDLED_FILE
    return Path(file)


def is_bundled_people(file: str | os.PathLike[str] | None) -> bool:
    """Whether `people` names the bundled network; a file of that name goes first."""
    return file is not None and os.fspath(file) == BUNDLED_PEOPLE and not Path(file).is_file()


def _is_picture(shape: tuple[int, ...]) -> bool:
    """Whether this is one RGB picture of a known size."""
    return len(shape) == 4 and shape[0] == 1 and shape[3] == 3 and min(shape) > 0


def _gives_detections(shapes: tuple[tuple[int, ...], ...]) -> bool:
    """Whether these are boxes, classes, scores and a count, in any order."""
    boxes = [s for s in shapes if len(s) == 3 and s[2] == 4]
    rows = [s for s in shapes if len(s) == 2]
    counts = [s for s in shapes if len(s) == 1]
    return (len(shapes), len(boxes), len(rows), len(counts)) == (4, 1, 2, 1)


def read_network(path: str | os.PathLike[str]) -> bytes:
    """Read a TFLite file.

    Raises:
        ModelFileError: if it is missing, or none.
    """
    path, shown = Path(path), display_path(path)
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            content = file.read(size) if size <= MAX_FILE_BYTES else b""
    except FileNotFoundError as error:
        raise ModelFileError(
            f"There is no file {shown} to find people or their pose with. Check the path; the "
            f"network that comes along is --people {BUNDLED_PEOPLE}."
        ) from error
    except OSError as error:
        raise ModelFileError(f"{shown} cannot be read: {error.strerror}.") from error
    if not is_flatbuffer(content):
        raise ModelFileError(
            f"{shown} should be a TFLite network that finds people: {KNOWN}. Received {size} "
            f"bytes that start with {content[:8]!r}. Check the path."
        )
    return content


def try_locator(
    people: str | os.PathLike[str],
    pose: str | os.PathLike[str] | None = None,
    *,
    backend: str = "auto",
    limit_s: float = LIMIT_S,
) -> None:
    """Open what finds people and run it once in a child, unless these files were tried before.

    Args:
        people, pose, backend: As for `open_locator`.
        limit_s: Time that the child may take.

    Raises:
        ModelFileError: if a file is missing, or no TFLite network.
        BackendError: if it finds no people, or the runtime refuses it, crashes or hangs on it.
    """
    paths = [os.fspath(path) for path in (resolve_people(people), pose) if path is not None]
    networks = [read_network(path) for path in paths]
    outcome = outcome_of(f"people {backend}", networks, [d for _, d in TFLITE_RUNTIMES.values()])
    try_once(__name__, [backend, *paths], outcome, Path(paths[0]), limit_s=limit_s)


def main() -> None:
    """Open the files and look at a black picture; the child's part."""
    backend, *paths = sys.argv[1:]
    size = sum(Path(path).stat().st_size for path in paths)
    answer_parent(lambda: _look_once(backend, paths), LIMIT_BYTES + LIMIT_TIMES * size)


def _look_once(backend: str, paths: list[str]) -> bytes:
    locator = open_locator(*paths, backend=backend)
    locator.locate(np.zeros(TRIAL_SHAPE, np.uint8))
    return b""


if __name__ == "__main__":
    main()
