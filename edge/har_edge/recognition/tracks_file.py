"""People as `locate` and the tracker saw them, in `.npz` files: pose sets of the kind `track`.

A file holds, for N people: `xyz` (sum of T, 17, 3), the keypoints, person i being
`xyz[off[i]:off[i + 1]]`: x and y in fractions of the picture, and the score; `box` (sum of T, 4) in
fractions of the picture, zeros where the person was not in view; `off` (N + 1,); `aspect`, width
of the picture over its height, `fps`, the rate at which frames were sampled, `label` and `group`,
(N,) each; `coco`, 0 to 16; `kind`. `time` (sum of T,), each frame's in its source in seconds, may
be there too, where frames are not spaced evenly. What skeletons are kept in has the same form, of
other kinds.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from har_edge.arrays import FloatArray
from har_edge.errors import DataError
from har_edge.files import open_whole
from har_edge.frames.frame import KEYPOINTS, Person
from har_edge.frames.sampling import FrameSampler
from har_edge.model.spec import MOTION_SIZE, POSE_SIZE, HeadInput
from har_edge.npz import Numbers, read_arrays
from har_edge.paths import display_path
from har_edge.recognition.head_row import head_row

KIND = "track"
FIELDS = ("xyz", "off", "box", "aspect", "label", "group", "fps", "coco", "kind")
TIME = "time"
FORM = "The form of such files stands in the help of har_edge.recognition.tracks_file"
Doubles = NDArray[np.float64]

# Ten hours of one person take 60 MB; unpacked, skeletons of the largest public sets take 400 MB.
MAX_BYTES, MAX_ARRAYS = 1 << 30, 100
# Kinds of the arrays in it: numbers and text.
NUMBER_KINDS = "fiuU"
# Of the picture's width and height: no box lies farther outside.
FARTHEST = 16.0


@dataclass(frozen=True, eq=False)
class PoseTrack:
    """One person's way through a video.

    Attributes:
        keypoints: (T, 17, 3), float32: x and y in fractions of the picture, and the score.
        boxes: (T, 4), float64, in fractions of the picture; zeros where not in view.
        aspect: Width of the picture over its height.
        fps: Frames a second.
        label: What the person does.
        group: Subject or video: tracks of one group are no independent evidence.
        times: (T,), float64: of each frame in its source, in seconds; None for even steps.
    """

    keypoints: FloatArray
    boxes: Doubles
    aspect: float
    fps: float
    label: str
    group: str
    times: Doubles | None = None

    @property
    def in_view(self) -> NDArray[np.bool_]:
        """In which frames the person is in view, (T,)."""
        return np.asarray(self.boxes.any(axis=1))

    def frames_at(self, frame_rate_hz: float) -> list[int]:
        """Number the frames that the edge would take at a rate.

        By the instants that they were sampled for and not by their own times: at the track's own
        rate all of them are taken, wherever in the source the track begins.
        """
        sampler = FrameSampler(frame_rate_hz)
        return [i for i in range(len(self.boxes)) if sampler.takes(i / self.fps)]

    @property
    def seconds(self) -> list[float]:
        """Time of each frame, (T,)."""
        if self.times is None:
            return [i / self.fps for i in range(len(self.boxes))]
        return [float(time_s) for time_s in self.times]


def kind_of(path: str | os.PathLike[str]) -> str:
    """Say of which kind a pose set is: `track`, or one of skeletons.

    Raises:
        DataError: if it cannot be read as one.
    """
    return str(_read(Path(path), ("kind",))["kind"])


def read_tracks(path: str | os.PathLike[str]) -> list[PoseTrack]:
    """Read the tracks of a pose set, in its order.

    Args:
        path: The `.npz` file.

    Raises:
        DataError: if it cannot be read, is damaged or of another kind.
    """
    path = Path(path)
    kind = kind_of(path)
    if kind != KIND:
        raise DataError(
            f"{display_path(path)} should be a pose set of the kind {KIND}. Received the kind "
            f"{kind[:20]!r}, which are skeletons. Give the tracks of videos."
        )
    arrays = _read(path, FIELDS, maybe=(TIME,))
    _check(path, arrays)
    offsets = arrays["off"].astype(np.int64)
    keypoints, boxes = arrays["xyz"].astype(np.float32), arrays["box"].astype(np.float64)
    times = arrays[TIME].astype(np.float64) if TIME in arrays else None
    return [
        PoseTrack(
            keypoints[start:end],
            boxes[start:end],
            float(arrays["aspect"][number]),
            float(arrays["fps"][number]),
            str(arrays["label"][number]),
            str(arrays["group"][number]),
            None if times is None else times[start:end],
        )
        for number, (start, end) in enumerate(pairwise(offsets))
    ]


def write_tracks(path: str | os.PathLike[str], tracks: Sequence[PoseTrack]) -> None:
    """Write a pose set of the kind `track`, whole or not at all.

    Args:
        path: The `.npz` file.
        tracks: At least one; all of them with times, or none.

    Raises:
        OSError: if it cannot be written.
    """
    ends = np.cumsum([len(track.boxes) for track in tracks])
    times = [track.times for track in tracks if track.times is not None]
    timed = {TIME: np.concatenate(times)} if len(times) == len(tracks) else {}
    with open_whole(Path(path)) as file:
        np.savez_compressed(
            file,
            xyz=np.concatenate([track.keypoints for track in tracks]).astype(np.float32),
            off=np.concatenate([[0], ends]).astype(np.int64),
            box=np.concatenate([track.boxes for track in tracks]).astype(np.float64),
            aspect=np.array([track.aspect for track in tracks], np.float64),
            label=np.array([track.label for track in tracks]),
            group=np.array([track.group for track in tracks]),
            fps=np.array([track.fps for track in tracks], np.float64),
            coco=np.arange(len(KEYPOINTS)),
            kind=np.array(KIND),
            **timed,  # type: ignore[arg-type]
        )


def track_rows(
    track: PoseTrack, inputs: Sequence[HeadInput], *, frame_rate_hz: float | None = None
) -> FloatArray:
    """Make what `classify` takes of a track's frames, as the edge would.

    Args:
        track: Of one person.
        inputs: Head inputs of the model, `features` not among them.
        frame_rate_hz: The model's; None for all frames of the track.

    Returns:
        (T, D'), float32; zeros where the person is not in view. In the frame after that the box
        has no motion yet, as in the first.

    Raises:
        DataError: if `inputs` ask for features of pixels.
    """
    sizes: dict[HeadInput, int] = {"pose": POSE_SIZE, "motion": MOTION_SIZE}
    if not inputs or any(name not in sizes for name in inputs):
        raise DataError(
            f"Tracks hold what {' and '.join(sizes)} are made of. Received a model that takes "
            f"{', '.join(inputs) or 'nothing'}. Give it pictures or videos."
        )
    frames = range(len(track.boxes)) if frame_rate_hz is None else track.frames_at(frame_rate_hz)
    rows: FloatArray = np.zeros((len(frames), sum(sizes[name] for name in inputs)), np.float32)
    before: Person | None = None
    before_s, in_view, seconds = 0.0, track.in_view, track.seconds
    for row, number in zip(rows, frames, strict=True):
        if not in_view[number]:
            before = None
            continue
        left, top, right, bottom = map(float, track.boxes[number])
        person = Person(1.0, (left, top, right, bottom), track.keypoints[number])
        now_s = seconds[number]
        row[:] = head_row(
            inputs, None, person, before=before, seconds=now_s - before_s, aspect=track.aspect
        )
        before, before_s = person, now_s
    return rows


def _read(path: Path, names: Sequence[str], *, maybe: Sequence[str] = ()) -> Mapping[str, Numbers]:
    shown = display_path(path)
    try:
        arrays = read_arrays(
            path,
            most_bytes=MAX_BYTES,
            most_arrays=MAX_ARRAYS,
            kinds=NUMBER_KINDS,
            only=(*names, *maybe),
        )
    except FileNotFoundError as error:
        raise DataError(f"There is no pose set {shown}. Check the path and --root.") from error
    # A damaged or hostile .npz makes zipfile, zlib and NumPy raise a dozen kinds.
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise DataError(
            f"{shown} should be a pose set in a .npz file. It cannot be read: {reason[:200]}. "
            f"{FORM}."
        ) from error
    missing = [name for name in names if name not in arrays]
    if missing:
        raise DataError(
            f"{shown} should hold the arrays {', '.join(FIELDS)}. Received none named "
            f"{', '.join(missing)}. {FORM}."
        )
    return arrays


def _check(path: Path, arrays: Mapping[str, Numbers]) -> None:
    for expected, broken in _shape_faults(arrays).items():
        if broken:
            shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
            raise DataError(f"{display_path(path)}: {expected}. Received {shapes}. {FORM}.")
    # What does not fit a float becomes infinite, and is refused as such.
    with np.errstate(over="ignore"):
        faults = _value_faults(arrays)
    for expected, broken in faults.items():
        if broken:
            raise DataError(f"{display_path(path)}: {expected}. Received others. {FORM}.")


def _shape_faults(arrays: Mapping[str, Numbers]) -> dict[str, bool]:
    xyz, offsets = arrays["xyz"], arrays["off"]
    count, length = max(0, offsets.size - 1), len(xyz) if xyz.ndim else 0
    return {
        "all but label, group and kind should be numbers": any(
            array.dtype.kind == "U"
            for name, array in arrays.items()
            if name not in ("label", "group", "kind")
        ),
        f"xyz should have the shape (T, {len(KEYPOINTS)}, 3)": (
            xyz.ndim != 3 or xyz.shape[1:] != (len(KEYPOINTS), 3)
        ),
        "box should have the shape (T, 4)": arrays["box"].shape != (length, 4),
        "time should have an entry for each frame": (
            TIME in arrays and arrays[TIME].shape != (length,)
        ),
        "off should have an entry for each track and one for the end": (
            offsets.ndim != 1 or count < 1 or offsets.dtype.kind not in "iu"
        ),
        "label, group, fps and aspect should have an entry for each track": any(
            arrays[name].shape != (count,) for name in ("label", "group", "fps", "aspect")
        ),
    }


def _value_faults(arrays: Mapping[str, Numbers]) -> dict[str, bool]:
    xyz, box = arrays["xyz"].astype(np.float32), arrays["box"].astype(np.float64)
    times = arrays[TIME].astype(np.float64) if TIME in arrays else np.arange(float(len(xyz)))
    offsets = arrays["off"].astype(np.int64)
    above_0 = {name: arrays[name].astype(np.float64) for name in ("fps", "aspect")}
    return {
        "off should rise from 0 to the length of xyz": bool(
            offsets[0] != 0 or offsets[-1] != len(xyz) or (np.diff(offsets) < 1).any()
        ),
        f"coco should be 0 to {len(KEYPOINTS) - 1}": (
            arrays["coco"].tolist() != list(range(len(KEYPOINTS)))
        ),
        "xyz and box should be finite": not (np.isfinite(xyz).all() and np.isfinite(box).all()),
        "boxes should be left, top, right and bottom in fractions of the picture": bool(
            (box[:, :2] > box[:, 2:]).any() or (np.abs(box) > FARTHEST).any()
        ),
        "time should rise within each track": not _rises(times, offsets),
        "fps and aspect should be above 0": any(
            not (np.isfinite(values) & (values > 0)).all() for values in above_0.values()
        ),
    }


def _rises(times: Doubles, offsets: NDArray[np.int64]) -> bool:
    """Whether times are finite, and rise but where a track begins."""
    steps = np.diff(times)
    steps[offsets[(offsets > 0) & (offsets < len(times))] - 1] = 1
    return bool(np.isfinite(times).all() and (steps > 0).all())
