"""The bundled models: what each is for, and which suits what is looked at."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from har_edge.counted import counted
from har_edge.media import IMAGE_SUFFIXES, VIDEO_SUFFIXES, read_kind
from har_edge.model.file import BUNDLED, read_model_file, resolve_model

Sight = Literal["picture", "motion"]

# What each bundled model looks at. A model of single pictures answers for each frame of a video,
# too; a clip model that sees one picture has only that one to go by.
PURPOSE: Mapping[str, str] = {
    "har15": "single pictures: what people do in a photo, or in each frame of a video",
    "clips": "videos and cameras: what people do over two seconds",
    "poses": "people in videos and cameras: what each of them does, by pose and motion alone",
}
PICTURE_MODEL, MOTION_MODEL, PEOPLE_MODEL = "har15", "clips", "poses"
# Sources that are named where another model suits them better.
SHOWN_NAMES = 3


@dataclass(frozen=True)
class Choice:
    """The model that suits some sources.

    Attributes:
        model: Name of a bundled model.
        reason: One line that says so.
    """

    model: str
    reason: str


@dataclass(frozen=True)
class BundledModel:
    """What is known of a bundled model.

    Attributes:
        name: As `-m` takes it.
        purpose: What it is for.
        labels: The actions that it knows.
        num_frames: Frames in a window.
        frame_rate_hz: Rate of these frames.
        needs_people: Whether it sees people who were found, and nothing else.
        variant: Its numeric form.
        size_bytes: Size of the file.
        accuracy: Share of the files right that training has not seen, as converted, 0..1; of one
            that needs people, before conversion.
        accuracy_low, accuracy_high: 95 % interval, of the model before conversion.
        held_out: How many files that were.
        path: The file.
    """

    name: str
    purpose: str
    labels: tuple[str, ...]
    num_frames: int
    frame_rate_hz: float
    needs_people: bool
    variant: str
    size_bytes: int
    accuracy: float | None
    accuracy_low: float | None
    accuracy_high: float | None
    held_out: int | None
    path: Path


def bundled_models() -> list[BundledModel]:
    """Read what the bundled models say about themselves, the default first.

    Raises:
        ModelFileError: if one is missing from this installation, or damaged.

    Example:
        >>> [model.name for model in bundled_models()]
        ['har15', 'clips', 'poses']
    """
    found = []
    for name in BUNDLED:
        file = read_model_file(resolve_model(name))
        spec, known = file.spec, file.spec.metrics
        # Skeletons that were held out are seen in training alone, not by converted files.
        judged = "test" if spec.needs_people else "verified"
        held_out = known.get(f"{judged}_clips")
        found.append(
            BundledModel(
                name,
                PURPOSE.get(name, spec.description),
                spec.labels,
                spec.clip.num_frames,
                spec.clip.frame_rate_hz,
                spec.needs_people,
                spec.variant,
                file.size_bytes,
                known.get(f"{judged}_accuracy"),
                known.get("test_accuracy_low"),
                known.get("test_accuracy_high"),
                None if held_out is None else int(held_out),
                file.path,
            )
        )
    return found


def bundled_for(*, people: bool) -> tuple[str, ...]:
    """Names of the bundled models that can answer; without people, one sees nothing.

    Args:
        people: Whether people are looked for.

    Example:
        >>> bundled_for(people=False)
        ('har15', 'clips')
    """
    return tuple(name for name in BUNDLED if people or name != PEOPLE_MODEL)


def sight_of(source: str) -> Sight:
    """Whether a source is a single picture, or shows how things move.

    Args:
        source: A single one, as `sources.names.expand_sources` gives it.

    Example:
        >>> [sight_of(name) for name in ("photo.jpg", "http://cam/now.jpg?w=640", "camera:0", "-")]
        ['picture', 'picture', 'motion', 'motion']
    """
    address = "://" in source
    suffix = Path(urlsplit(source).path if address else source).suffix.lower()
    if suffix in IMAGE_SUFFIXES or suffix in VIDEO_SUFFIXES or address:
        return "picture" if suffix in IMAGE_SUFFIXES else "motion"
    try:
        kind = read_kind(source)
    except OSError:
        return "motion"
    return "picture" if kind.role == "picture" and not kind.animated else "motion"


def suit(sources: Iterable[str], *, folders: bool = False) -> Choice:
    """Choose the bundled model for some sources.

    Args:
        sources: Single ones, as `sources.names.expand_sources` gives them.
        folders: Whether folders are watched, in which anything may arrive.

    Example:
        >>> print(suit(["camera:0"]).reason)
        Model clips, for videos and cameras. For another, give -m; har-edge models lists them.
        >>> suit(["a.jpg", "b.png"]).model, suit(["a.jpg", "b.mp4"]).model
        ('har15', 'har15')
    """
    if folders:
        return _choice(
            PICTURE_MODEL,
            f"for whatever arrives, frame by frame. For motion, give -m {MOTION_MODEL}",
        )
    names = list(sources)
    moving = [name for name in names if sight_of(name) == "motion"]
    if moving and len(moving) < len(names):
        shown = shlex.join(moving[:SHOWN_NAMES]) + (" …" if len(moving) > SHOWN_NAMES else "")
        return _choice(
            PICTURE_MODEL,
            f"for pictures and videos together, frame by frame. {len(moving)} of "
            f"{len(names)} sources move and suit {MOTION_MODEL} better; for these, run: "
            f"har-edge run {shown} -m {MOTION_MODEL}",
        )
    if names and not moving:
        return _choice(PICTURE_MODEL, "for pictures. For another, give -m")
    return _choice(MOTION_MODEL, "for videos and cameras. For another, give -m")


def both_suit(pictures: int, moving: int) -> str:
    """One line that says which of the bundled models look at what, where sources are mixed.

    Example:
        >>> print(both_suit(1, 2).partition(";")[0])
        Models har15, for 1 picture, and clips, for 2 videos or cameras. For one, give -m
    """
    shown = f"{PICTURE_MODEL}, for {counted(pictures, 'picture')}, and {MOTION_MODEL}"
    rest = counted(moving, "video or camera", "videos or cameras")
    return f"Models {shown}, for {rest}. For one, give -m; har-edge models lists them."


def _choice(model: str, why: str) -> Choice:
    return Choice(model, f"Model {model}, {why}; har-edge models lists them.")
