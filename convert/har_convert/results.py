"""What a conversion gave, and how it is laid out for people."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from har_convert.recipe import Recipe
from har_convert.tflite.sensitivity import LayerError, sensitive_layers
from har_convert.verify import Verification
from har_edge.errors import GateError
from har_edge.paths import display_path
from har_edge.table import text_table


@dataclass(frozen=True)
class Conversion:
    """The outcome for one requested variant.

    Attributes:
        recipe: How the file was made in the end.
        result: How it compares with the Keras model.
        paths: Where it was written; empty if it missed the gate.
        size_bytes: Its size.
        reason: Why it missed the gate, or why a fallback was taken; "" if all went well.
    """

    recipe: Recipe
    result: Verification
    paths: tuple[Path, ...]
    size_bytes: int
    reason: str = ""

    @property
    def passed(self) -> bool:
        """Whether there is a file."""
        return bool(self.paths)

    def as_dict(self) -> dict[str, object]:
        """All of it in plain types, ready for JSON."""
        return {
            **asdict(self.result),
            "recipe": str(self.recipe),
            "paths": [str(path) for path in self.paths],
            "size_bytes": self.size_bytes,
            "reason": self.reason,
        }


@dataclass(frozen=True)
class Report:
    """What a conversion gave; prints as the table that `har-convert` prints.

    Attributes:
        folder: Where the files, the model card and the checksums lie.
        conversions: One entry a variant that was asked for.
        layers: What rounding each layer costs, if that was measured.
    """

    folder: Path
    conversions: tuple[Conversion, ...]
    layers: tuple[LayerError, ...] = ()

    @property
    def passed(self) -> tuple[Conversion, ...]:
        """Those that met the gate and were written."""
        return tuple(c for c in self.conversions if c.passed)

    @property
    def paths(self) -> tuple[Path, ...]:
        """All model files that were written."""
        return tuple(path for c in self.conversions for path in c.paths)

    def refuse_misses(self) -> None:
        """Raise an error unless all requested variants were written.

        Raises:
            GateError: if a file missed the gate; the others are written.
        """
        missing = ", ".join(c.recipe.variant for c in self.conversions if not c.passed)
        if missing:
            advice = advise(self.conversions)
            raise GateError(f"{missing} missed the gate and was not written. {advice}")

    def as_dict(self) -> dict[str, object]:
        """All of it in plain types, ready for JSON."""
        return {
            "folder": str(self.folder),
            "conversions": [c.as_dict() for c in self.conversions],
            "layers": [asdict(layer) for layer in self.layers],
        }

    def __str__(self) -> str:
        return format_table(self.conversions)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


def advise(conversions: Iterable[Conversion]) -> str:
    """Say which of the files that met the gate to use instead of those that did not."""
    passed = [c for c in conversions if c.passed]
    if not passed:
        return "Let --fallback find one that does, or make --float16."
    best = min(passed, key=lambda c: c.size_bytes)
    return f"Use {best.recipe.variant} ({best.result.drop:.1f} points), or let --fallback choose."


def format_table(conversions: Sequence[Conversion]) -> str:
    """Lay the verified files out as a table."""
    # A model of poses encodes nothing.
    call = "encode" if any(c.result.encode_ms for c in conversions) else "classify"
    headers = ("variant", "size", "as Keras", "max |dp|", "accuracy", "drop in points (95 %)",
               call, "file")  # fmt: skip
    rows = []
    for c in conversions:
        r, (low, high) = c.result, c.result.drop_interval
        size = format_size(c.size_bytes) if c.passed else "-"
        accuracy = "-" if r.accuracy is None else f"{r.accuracy:.1%}"
        drop = f"{r.drop:.1f} ({low:.1f} to {high:.1f})"
        file = display_path(c.paths[0]) if c.passed else "not written: missed the gate"
        rows.append((c.recipe.variant, size, f"{r.agreement:.1%}", f"{r.max_difference:.2g}",
                     accuracy, drop, f"{r.encode_ms or r.classify_ms:.2f} ms", file))  # fmt: skip
    return text_table(rows, headers, align="lrrrrlrl")


def format_size(size_bytes: int) -> str:
    """Say how large a file is, in MB, or in kB where that would be 0.0 MB."""
    mega = size_bytes >= 1e5
    return f"{size_bytes / 1e6:.1f} MB" if mega else f"{size_bytes / 1e3:.0f} kB"


def format_layers(layers: Sequence[LayerError]) -> str:
    """Lay the layers' shares out as a table, the most sensitive first."""
    chosen = sensitive_layers(layers)
    rows = []
    for row in sorted(layers, key=lambda row: -row.error):
        mark = "float in a fallback" if row.layer in chosen else ""
        span = f"{row.low:.2f} to {row.high:.2f}"
        rows.append((row.layer, f"{row.error:.2%}", span, f"{row.clipped:.2%}", mark))
    headers = ("layer", "error", "range on calibration frames", "clipped", "")
    return text_table(rows, headers, align="lrrrl")
