"""Sets of labelled joint sequences in `.npz` files.

A file holds, for N sequences: `xyz` (sum of T, J, 3), sequence i being `xyz[off[i]:off[i + 1]]`;
`off` (N + 1,); `label`, `group` and `fps` (N,); `coco` (17,), for each COCO keypoint the joint that
stands for it, -1 where there is none; `kind`:

- `3d`: metres, x right, y up, z towards the viewer; NaN is missing.
- `3d2p`: the same of two people, the joints of the second behind those of the first.
- `2d`: pixels, x right, y down; the third number is 0 where a joint is not seen.
- `track`: what was really seen of people in videos, see `har_edge.recognition.tracks_file`.

Manifests name the sequences of a file by `FILE.npz#N`, from 0; of `3d2p` each person is one.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from har_edge.arrays import FloatArray
from har_edge.errors import DataError
from har_edge.files import open_whole
from har_edge.frames.frame import KEYPOINTS
from har_edge.paths import display_path
from har_edge.recognition.tracks_file import KIND, PoseTrack, kind_of, read_tracks

KINDS = ("2d", "3d", "3d2p")
FIELDS = ("xyz", "off", "label", "group", "fps", "coco", "kind")
FORM = "The form of such files stands in the help of har_train.skeletons.sets"

Numbers = NDArray[np.generic]


@dataclass(frozen=True, eq=False)
class Skeleton:
    """One person's movement, as 17 COCO keypoints over time.

    Attributes:
        joints: (T, 17, 3), float32: metres, NaN where missing; or, if `flat`, pixels with 1 or 0
            for seen.
        flat: Whether they are in a picture already.
        fps: Frames a second.
        label: What the person does.
        group: Subject or source: sequences of one group are no independent evidence.
        source: Name of the set.
    """

    joints: FloatArray
    flat: bool
    fps: float
    label: str
    group: str
    source: str


def load_sequences(path: str | os.PathLike[str]) -> Sequence[Skeleton | PoseTrack]:
    """Read a set of any kind: skeletons, or tracks of people in videos.

    Args:
        path: The `.npz` file.

    Returns:
        Its sequences by their number; of two people who act together each is one.

    Raises:
        DataError: if it cannot be read as one.
    """
    return read_tracks(path) if kind_of(path) == KIND else load_skeletons(path)


def load_skeletons(path: str | os.PathLike[str]) -> list[Skeleton]:
    """Read a set; of two people who act together each gives a sequence.

    Args:
        path: The `.npz` file.

    Raises:
        DataError: if it cannot be read as one.
    """
    path = Path(path)
    arrays = _read(path)
    offsets, kind = arrays["off"].astype(np.int64), str(arrays["kind"])
    _check(path, arrays, offsets, kind)
    coco = arrays["coco"].astype(np.int64)
    found = []
    for number, (start, end) in enumerate(pairwise(offsets)):
        for joints in _people(arrays["xyz"][start:end].astype(np.float32), kind):
            found.append(
                Skeleton(
                    _as_coco(joints, coco, missing=0.0 if kind == "2d" else np.nan),
                    kind == "2d",
                    float(arrays["fps"][number]),
                    str(arrays["label"][number]),
                    f"{path.stem}/{arrays['group'][number]}",
                    path.stem,
                )
            )
    return found


def save_skeletons(path: str | os.PathLike[str], skeletons: Sequence[Skeleton]) -> None:
    """Write a set of the kind `3d`, whole or not at all.

    Args:
        path: The `.npz` file.
        skeletons: At least one, none of them flat. Their groups are kept as they are.

    Raises:
        OSError: if it cannot be written.
        ValueError: if one is flat.
    """
    if any(skeleton.flat for skeleton in skeletons):
        raise ValueError("Sets of the kind 3d hold metres. Received a skeleton in pixels.")
    ends = np.cumsum([len(skeleton.joints) for skeleton in skeletons])
    with open_whole(Path(path)) as file:
        np.savez_compressed(
            file,
            xyz=np.concatenate([s.joints for s in skeletons]).astype(np.float16),
            off=np.concatenate([[0], ends]).astype(np.int64),
            label=np.array([s.label for s in skeletons]),
            group=np.array([s.group for s in skeletons]),
            fps=np.array([s.fps for s in skeletons], np.float64),
            coco=np.arange(len(KEYPOINTS)),
            kind=np.array("3d"),
        )


def _read(path: Path) -> Mapping[str, Numbers]:
    shown = display_path(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            missing = [name for name in FIELDS if name not in file.files]
            if missing:
                raise DataError(
                    f"{shown} should hold the arrays {', '.join(FIELDS)}. Received none named "
                    f"{', '.join(missing)}. {FORM}."
                )
            return {name: file[name] for name in FIELDS}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{shown} should be a set of skeletons in a .npz file. It cannot be read: {error}. "
            f"{FORM}."
        ) from error


def _check(
    path: Path, arrays: Mapping[str, Numbers], offsets: NDArray[np.int64], kind: str
) -> None:
    coco = arrays["coco"].astype(np.int64)
    xyz, count = arrays["xyz"], len(offsets) - 1
    joints = xyz.shape[1] // (2 if kind == "3d2p" else 1) if xyz.ndim == 3 else 0
    faults = {
        f"kind should be one of {', '.join(KINDS)}": kind not in KINDS,
        "xyz should have the shape (T, J, 3)": xyz.ndim != 3 or xyz.shape[2:] != (3,),
        "off should rise from 0 to the length of xyz": (
            count < 1 or offsets[0] != 0 or offsets[-1] != len(xyz) or (np.diff(offsets) < 1).any()
        ),
        "label, group and fps should have an entry for each sequence": any(
            arrays[name].shape != (count,) for name in ("label", "group", "fps")
        ),
        f"coco should be {len(KEYPOINTS)} numbers of joints, or -1": (
            coco.shape != (len(KEYPOINTS),) or not ((coco >= -1) & (coco < joints)).all()
        ),
    }
    for expected, broken in faults.items():
        if broken:
            shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
            raise DataError(f"{display_path(path)}: {expected}. Received {shapes}. {FORM}.")
    if not (arrays["fps"].astype(np.float64) > 0).all():
        raise DataError(f"{display_path(path)}: fps should be above 0. Received others. {FORM}.")


def _people(joints: FloatArray, kind: str) -> Iterator[FloatArray]:
    if kind != "3d2p":
        yield joints
        return
    half = joints.shape[1] // 2
    yield joints[:, :half]
    yield joints[:, half:]


def _as_coco(joints: FloatArray, coco: NDArray[np.int64], missing: float) -> FloatArray:
    """Bring joints, (T, J, 3), into the order of `KEYPOINTS`, (T, 17, 3)."""
    found = joints[:, np.maximum(coco, 0)]
    found[:, coco < 0] = missing
    return found
