"""What a file with a `locate` network alone says about itself, stored in it as `har.json`.

Such a file finds people for any model: `--people FILE.tflite`.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import get_args

from har_edge.errors import SpecError
from har_edge.model.checks import (
    MAX_BYTES,
    MAX_NAME,
    MAX_SIDE,
    check_checksum,
    check_number,
    check_table,
    check_text,
    check_texts,
    check_whole,
    shorten,
)
from har_edge.model.spec import Variant

KIND = "people"
SCHEMA_VERSION = 1
MAX_PEOPLE = 1000
MAX_KEYPOINTS = 1000
# Of a second look: a bias, and one for each number that is weighed.
RESCORE_WEIGHTS = 11
MAX_WEIGHT = 1e3


@dataclass(frozen=True)
class PeopleSpec:
    """A `locate` network's own description.

    The network takes `frame`, (1, height, width, 3) RGB 0..255, the whole picture letterboxed: as
    large as it fits without changing its shape, in the middle, black around. It gives `people`,
    (1, num_people, 5 + 3 K), the best first: a score; the box as left, top, right and bottom; x, y
    and score of each keypoint; all in [0, 1] of the input. A row of score 0 is nobody.

    Attributes:
        name: Short name, used for file names.
        height, width: Size of the input in pixels.
        num_people: Rows that it gives.
        keypoints: Names of the K keypoints, in order.
        score_threshold: Score from which a row is a person.
        rescore: Weights that give the rows their scores anew, a bias first, or none: see
            `har_edge.people.rescore`.
        variant: Numeric form of the file.
        backbone: Image network that it was made of.
        metrics: Measured figures, fractions in 0..1 unless the name has a unit.
        tool_versions: Package name to version, as used to make the file.
        min_runtime: Oldest runtime the file is known to load in, or "".
        description: What it is for, in a sentence or two.
        license: Terms of the weights and of the data behind them.
        model_bytes: Size of the network in the file without the metadata, 0 if unknown.
        model_sha256: SHA-256 of those bytes, "" if unknown.
        kind: `people`, which no other file says.
        schema_version: Version of this layout.
    """

    name: str
    height: int
    width: int
    num_people: int
    keypoints: tuple[str, ...]
    score_threshold: float = 0.5
    rescore: tuple[float, ...] = ()
    variant: Variant = "keras"
    backbone: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    tool_versions: Mapping[str, str] = field(default_factory=dict)
    min_runtime: str = ""
    description: str = ""
    license: str = ""
    model_bytes: int = 0
    model_sha256: str = ""
    kind: str = KIND
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        with _spec_errors():
            self._check()

    def _check(self) -> None:
        check_text("name", self.name, MAX_NAME)
        if not self.name or self.name in (".", "..") or set(self.name) & set("/\\\0\n\r"):
            raise SpecError(
                f"name becomes a file name, without slashes. Received {shorten(self.name)}."
            )
        check_whole("height", self.height, 1, MAX_SIDE)
        check_whole("width", self.width, 1, MAX_SIDE)
        check_whole("num_people", self.num_people, 1, MAX_PEOPLE)
        check_texts("keypoints", self.keypoints)
        check_whole("Number of keypoints", len(self.keypoints), 0, MAX_KEYPOINTS)
        check_number("score_threshold", self.score_threshold, 0, 1)
        self._check_rescore()
        if self.variant not in get_args(Variant):
            raise SpecError(
                f"variant must be one of {get_args(Variant)}. Received {shorten(self.variant)}."
            )
        for name in ("backbone", "min_runtime", "description", "license"):
            check_text(name, getattr(self, name))
        check_table("metrics", self.metrics, numbers=True)
        check_table("tool_versions", self.tool_versions, numbers=False)
        check_whole("model_bytes", self.model_bytes, 0, MAX_BYTES)
        check_checksum("model_sha256", self.model_sha256)
        if self.kind != KIND:
            raise SpecError(f"kind must be {KIND!r}. Received {shorten(self.kind)}.")

    def _check_rescore(self) -> None:
        if not isinstance(self.rescore, tuple) or len(self.rescore) not in (0, RESCORE_WEIGHTS):
            raise SpecError(
                f"rescore must be {RESCORE_WEIGHTS} numbers, or none. Received "
                f"{shorten(self.rescore)}."
            )
        for weight in self.rescore:
            check_number("rescore", weight, -MAX_WEIGHT, MAX_WEIGHT)

    @property
    def people_shape(self) -> tuple[int, int, int]:
        """Shape of what it gives, (1, N, 5 + 3 K)."""
        return (1, self.num_people, 5 + 3 * len(self.keypoints))

    def with_metrics(self, variant: Variant, metrics: Mapping[str, float]) -> PeopleSpec:
        """The spec of a file of some variant, with what was measured of it."""
        return replace(self, variant=variant, metrics={**self.metrics, **metrics})

    def to_json(self) -> str:
        """Serialise as stable, readable JSON."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes, *, where: str = "har.json") -> PeopleSpec:
        """Read a spec that `to_json` wrote.

        Args:
            text: The JSON document.
            where: Where it came from, for messages.

        Raises:
            SpecError: if it is not JSON, of another kind or version, or misses a field.
        """
        try:
            raw = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise SpecError(f"The spec in {where} is not valid JSON: {error}.") from error
        table = raw if isinstance(raw, dict) else {}
        found = table.get("kind"), table.get("schema_version")
        if found != (KIND, SCHEMA_VERSION):
            raise SpecError(
                f"The spec in {where} should be of kind {KIND!r}, version {SCHEMA_VERSION}. "
                f"Received {shorten(found)}. Give a file that har-convert made of a har-train "
                "people run, or install the har-edge release that wrote it."
            )
        # Unknown keys are later additions that this release can do without.
        values = {key: table[key] for key in {f.name for f in fields(cls)} & table.keys()}
        for key in ("keypoints", "rescore"):
            if isinstance(values.get(key), list):
                values[key] = tuple(values[key])
        try:
            return cls(**values)
        except (KeyError, TypeError) as error:
            raise SpecError(f"The spec in {where} is incomplete: {shorten(error)}.") from error


@contextlib.contextmanager
def _spec_errors() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise SpecError(str(error)) from error
