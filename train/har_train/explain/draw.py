"""Explanations as pictures and videos."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from har_edge.arrays import FloatArray, Pixels
from har_edge.errors import OutputError
from har_edge.files import sweep, whole_path
from har_edge.frames.encode import open_encoder, video_path
from har_edge.frames.opencv import rgb_to_bgr
from har_edge.frames.sampling import FrameSampler
from har_edge.model.spec import ClipSpec
from har_edge.paths import display_path
from har_edge.sources.clips import load_frames
from har_edge.sources.open import open_source
from har_train.explain.gradcam import Explanation
from har_train.reports.plots import overlay_heat, plot_picture_grid, shorten

# Longer side of a shown frame, and height of the line of text above it, in pixels.
SHOWN_PX = 480


TEXT_PX = 28


def save_explanation(found: Explanation, clip: ClipSpec, folder: Path, name: str) -> list[Path]:
    """Write `NAME.gradcam.png` and, of a clip, `NAME.gradcam.mp4`.

    Args:
        found: What to show.
        clip: The model's preprocessing.
        folder: Where to; made if missing.
        name: Of the files.

    Returns:
        The files.

    Raises:
        OutputError: if they cannot be written.
        SourceError: if the file has changed and cannot be decoded any more.
    """
    frames = load_frames(found.path, _shown_clip(found.path, clip))
    writers = {"png": _draw_window}
    if len(frames) > 1:
        writers["mp4"] = _write_clip
    paths = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        sweep(folder)
        for ending, write in writers.items():
            path = folder / f"{name}.gradcam.{ending}"
            path = path if ending == "png" else video_path(path)
            with whole_path(path) as partial:
                write(found, frames, clip, partial)
            paths.append(path)
    except OSError as error:
        raise OutputError(
            f"{display_path(folder)} cannot be written: {error.strerror}. Give another --out."
        ) from error
    return paths


def _shown_clip(path: Path, clip: ClipSpec) -> ClipSpec:
    """Size to show frames in: what the model sees of them, but in the file's own proportions."""
    with contextlib.closing(open_source(path).frames(FrameSampler(clip.frame_rate_hz))) as frames:
        shape = next(frames).pixels.shape
    height, width = (clip.height, clip.width) if clip.resize == "crop" else shape[:2]
    scale = SHOWN_PX / max(height, width)
    # Video encoders take even sizes.
    sides = (max(2, 2 * round(side * scale / 2)) for side in (height, width))
    return replace(clip, height=next(sides), width=next(sides))


def _draw_window(found: Explanation, frames: Pixels, clip: ClipSpec, path: Path) -> None:
    """Draw the frames of the window that speaks most for the action."""
    pictures = [
        overlay_heat(frames[i], heat) for i, heat in zip(found.frames, found.heat, strict=True)
    ]
    sums = found.heat.sum(axis=(1, 2))
    shares = sums / max(float(sums.sum()), np.finfo(np.float32).tiny)
    captions = [
        f"{i / clip.frame_rate_hz:.2f} s, {share:.1%} of the evidence"
        for i, share in zip(found.frames, shares, strict=True)
    ]
    if len(frames) == 1:
        pictures, captions = [frames[0], *pictures], ["picture", "evidence"]
    said = _text(found.probabilities[found.window], found.labels)
    title = f"{shorten(found.path.name)}: {said}\nColoured: evidence for {shorten(found.action)}"
    if found.heat.max() == 0:
        title += " (none)"
    scale = "Evidence for the action, 1 = most in this window"
    plot_picture_grid(pictures, captions, title, path, columns=4, heat_scale=scale)


def _write_clip(found: Explanation, frames: Pixels, clip: ClipSpec, path: Path) -> None:
    """Write all frames with the evidence in them and what the model says at each."""
    height, width = frames.shape[1] + TEXT_PX, frames.shape[2]
    with contextlib.closing(open_encoder(path, clip.frame_rate_hz, (width, height))) as encoder:
        for number, frame in enumerate(frames):
            window = max(0, min(number - clip.num_frames + 1, len(found.probabilities) - 1))
            picture = overlay_heat(frame, found.running_heat[number])
            row = found.probabilities[window]
            said = _text(row, found.labels)
            if found.asked:
                chance = row[found.labels.index(found.action)]
                said += f" (coloured: {shorten(found.action)} {chance:.0%})"
            line = _text_line(f"{number / clip.frame_rate_hz:.2f} s  {said}", width)
            encoder.write(rgb_to_bgr(np.concatenate([line, picture])))


def _text(row: FloatArray, labels: tuple[str, ...]) -> str:
    best = int(row.argmax())
    return f"{shorten(labels[best])} {row[best]:.0%}"


def _text_line(text: str, width: int) -> Pixels:
    """Write a line of white text on black, (TEXT_PX, width, 3)."""
    import matplotlib
    from PIL import Image, ImageDraw, ImageFont

    # OpenCV's own letters are ASCII alone; labels are not.
    font = ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf", 16)
    image = Image.new("RGB", (width, TEXT_PX))
    ImageDraw.Draw(image).text((8, 4), text, fill="white", font=font)
    return np.asarray(image, dtype=np.uint8)
