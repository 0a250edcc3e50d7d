"""Which files are pictures and which are videos, by their names."""

from __future__ import annotations

from pathlib import Path

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})
VIDEO_SUFFIXES = frozenset(
    {
        *(".mp4", ".avi", ".mkv", ".mov", ".webm", ".m4v", ".3gp", ".3g2", ".ts", ".mts", ".m2ts"),
        *(".mpg", ".mpeg", ".wmv", ".asf", ".flv", ".ogv", ".gif", ".apng"),
    }
)


def is_media(path: Path) -> bool:
    """Whether a path is a file that looks like a still or a video; hidden files are not."""
    suffix = path.suffix.lower()
    named_so = suffix in IMAGE_SUFFIXES or suffix in VIDEO_SUFFIXES
    return named_so and not path.name.startswith(".") and path.is_file()
