"""Where the largest person of each training sample is, so that views can be drawn of that person.

The detector is a TFLite file that a user names, an SSD with detection post-processing, such as
COCO's SSD-MobileNet. What it finds is kept in the cache, a file for each detector.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from har_edge.arrays import FloatArray, Pixels
from har_edge.errors import DataError
from har_edge.files import write_whole
from har_edge.frames.opencv import import_cv2
from har_edge.model.runtimes import import_runtime
from har_edge.paths import display_path
from har_train.features.cache import CachedSample
from har_train.watch import Tick, uncounted

# Left, top, right and bottom as shares of the picture.
Box = tuple[float, float, float, float]
PERSON, LEAST_SCORE = 0, 0.4
# A person smaller than this is no subject of the picture.
LEAST_SIDE = 0.15
# What the wide view adds on each side, in sides of the box.
ROOM = 0.35
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)


class Detector:
    """An SSD that finds people.

    Args:
        path: The TFLite file.

    Raises:
        DataError: if it is no such file.
    """

    def __init__(self, path: Path) -> None:
        try:
            content = path.read_bytes()
            interpreter = import_runtime("litert").Interpreter(model_content=content, num_threads=1)
            interpreter.allocate_tensors()
            (source,) = interpreter.get_input_details()
            boxes, classes, scores, _ = interpreter.get_output_details()
        # The package raises whatever comes to it; too few outputs are a ValueError.
        except Exception as error:
            raise DataError(
                f"{display_path(path)} should be a detector as .tflite with one input and the "
                f"outputs boxes, classes, scores and count. Received something else ({error}). "
                "Check the path."
            ) from error
        self.digest = hashlib.sha256(content).hexdigest()[:24]
        self._interpreter = interpreter
        self._source = source
        self._outputs = [boxes["index"], classes["index"], scores["index"]]

    def largest_person(self, frame: Pixels) -> Box | None:
        """Find the largest person in a frame, (h, w, 3) uint8; None without one."""
        side = int(self._source["shape"][1])
        picture = import_cv2().resize(frame, (side, side))[np.newaxis]
        self._interpreter.set_tensor(self._source["index"], picture.astype(self._source["dtype"]))
        self._interpreter.invoke()
        boxes, classes, scores = (self._interpreter.get_tensor(i)[0] for i in self._outputs)
        return largest_box(boxes[(classes == PERSON) & (scores >= LEAST_SCORE)])


def largest_box(boxes: FloatArray) -> Box | None:
    """Choose the largest of boxes (N, 4), top, left, bottom, right; None if all are small.

    Example:
        >>> largest_box(np.array([[0.1, 0.2, 0.5, 0.6], [0.0, 0.0, 0.1, 0.9]]))
        (0.2, 0.1, 0.6, 0.5)
    """
    inside = np.clip(boxes, 0, 1).reshape(-1, 4)
    sides = inside[:, 2:] - inside[:, :2]
    sides = np.where((sides >= LEAST_SIDE).all(axis=1, keepdims=True), sides, 0)
    areas = sides.prod(axis=1)
    if not areas.any():
        return None
    top, left, bottom, right = (round(float(x), 4) for x in inside[areas.argmax()])
    return left, top, right, bottom


def widened(box: Box) -> Box:
    """Give a box some room on each side, as far as the picture reaches.

    Example:
        >>> widened((0.4, 0.0, 0.6, 1.0))
        (0.33, 0.0, 0.67, 1.0)
    """
    left, top, right, bottom = box
    across, down = ROOM * (right - left), ROOM * (bottom - top)
    wide = (max(0.0, left - across), max(0.0, top - down))
    return (
        round(wide[0], 4),
        round(wide[1], 4),
        round(min(1.0, right + across), 4),
        round(min(1.0, bottom + down), 4),
    )


def find_people(
    frames: Sequence[CachedSample], detector: Path, cache: Path, progress: Tick = uncounted
) -> dict[str, Box]:
    """Find the largest person of each sample, in its middle frame.

    Args:
        frames: Samples as pixels in the cache.
        detector: The TFLite file.
        cache: Folder of the cache.
        progress: Called with 1 for every sample.

    Returns:
        Box by the sample's hash, of those that show somebody.

    Raises:
        DataError: if the detector cannot be used.
        OutputError: if the cache cannot be written.
    """
    network = Detector(detector)
    path = cache / f"people-{network.digest}.json"
    known = _read(path)
    missing = [item for item in frames if item.sha256 not in known]
    for item in missing:
        pixels = item.load()
        known[item.sha256] = network.largest_person(np.asarray(pixels[len(pixels) // 2], np.uint8))
        progress(1)
    if missing:
        write_whole(path, json.dumps(known), parents=True)
    progress(len(frames) - len(missing))
    found = {item.sha256: known[item.sha256] for item in frames}
    return {digest: box for digest, box in found.items() if box}


def _read(path: Path) -> dict[str, Box | None]:
    """Read what was found before; a broken file is nothing, for it is made anew."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return {str(key): _box(value) for key, value in dict(rows).items()}
    except (OSError, ValueError, TypeError):
        return {}


def _box(value: object) -> Box | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 4:
        raise ValueError("no box")
    left, top, right, bottom = map(float, value)
    return left, top, right, bottom


def drawn_region(boxes: Mapping[str, Box], key: str, draws: np.random.Generator) -> Box:
    """Choose what a view is drawn of: the picture, its largest person, or that with some room."""
    box = boxes.get(key)
    if box is None:
        return WHOLE
    return (WHOLE, box, widened(box))[draws.integers(3)]


def cut(frames: Pixels, region: Box) -> Pixels:
    """Cut a region out of all frames, (T, H, W, 3), at least one pixel of it."""
    height, width = frames.shape[1:3]
    left, top = int(region[0] * width), int(region[1] * height)
    right, bottom = max(left + 1, round(region[2] * width)), max(top + 1, round(region[3] * height))
    return frames[:, top:bottom, left:right]
