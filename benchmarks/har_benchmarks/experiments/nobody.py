"""What models claim of pictures without people.

    har-bench experiment nobody [--model poses] [--stills DATA --detector SSD] [--out JSON]

380 pictures are drawn (plain ones, black among them, noise, textures, rooms); with `--stills` up to
120 are parts of photographs in which a detector sees nobody. A picture is shown as a
still to models of stills, and for 1.5 s, with a camera's noise, to the others; people are looked
for by the bundled network. It is a claim if any answer is an action: neither `nobody` nor
`unknown`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np

from har_benchmarks.experiments.empty_pictures import cut_empty, draw_all
from har_benchmarks.experiments.result import write_result
from har_edge.arrays import Pixels
from har_edge.datasets import list_dataset
from har_edge.errors import DataError
from har_edge.frames.frame import Frame
from har_edge.frames.sampling import FrameSampler
from har_edge.machine.facts import machine_facts
from har_edge.people.networks import SsdLocator
from har_edge.people.open import open_locator
from har_edge.progress import Progress
from har_edge.recognition.model import Model, load
from har_edge.recognition.prediction import UNKNOWN
from har_edge.sources.base import OpenSource
from har_edge.statistics import wilson_interval
from har_edge.table import text_table

SECONDS = 1.5
# Standard deviation of a camera's noise, in levels of 255.
NOISE = 2.0
PARTS = 120
ALL = "all"


@click.command()
@click.option("--model", "models", multiple=True, default=("har15", "clips", "poses"),
              show_default=True, help="May be repeated.")  # fmt: skip
@click.option("--stills", metavar="DATA", help="Folders of classes or a manifest with stills; "
              "of a manifest with parts, the part 'test'.")  # fmt: skip
@click.option("--root", default="", metavar="DIR", help="Folder that the manifest's paths start "
              "from.")  # fmt: skip
@click.option("--detector", metavar="FILE", help="SSD that says where in stills nobody is.")
@click.option("-o", "--out", metavar="FILE", help="Write the result to this file, as JSON.")
def command(
    models: tuple[str, ...], stills: str | None, root: str, detector: str | None, out: str | None
) -> None:
    """Count what models claim of pictures without people.

    \b
    Example:
      har-bench experiment nobody --model poses --out nobody.json
    """
    pictures = list(draw_all())
    if stills is not None:
        pictures += [("part of a still", part) for part in _parts(stills, root, detector)]
    rows = [row for name in models for row in judge(name, pictures)]
    headers = ("model", "pictures", "number", "somebody", "an action", "(95 %)", "falling")
    click.echo(text_table([row.cells() for row in rows], headers, align="llrrrrr"))
    facts = {
        "what": "claims of actions in pictures without people",
        "machine": machine_facts(),
        "rows": [row.as_dict() for row in rows],
    }
    write_result(facts, out)


@dataclass(frozen=True)
class Row:
    """What a model said of pictures of one kind.

    Attributes:
        model: Its name.
        kind: Of the pictures.
        pictures: How many.
        somebody: In how many a person was found.
        actions: In how many an action was claimed.
        falling: In how many it was `falling`.
    """

    model: str
    kind: str
    pictures: int
    somebody: int
    actions: int
    falling: int

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the share of pictures with an action."""
        return wilson_interval(self.actions / self.pictures, self.pictures)

    def as_dict(self) -> dict[str, object]:
        """All of it in plain values."""
        low, high = self.interval
        return {**asdict(self), "actions_low": round(low, 4), "actions_high": round(high, 4)}

    def cells(self) -> tuple[str, ...]:
        """All of it as a line of a table."""
        low, high = self.interval
        counts = (str(n) for n in (self.pictures, self.somebody, self.actions))
        return (self.model, self.kind, *counts, f"{low:.1%} to {high:.1%}", str(self.falling))


def judge(name: str, pictures: Sequence[tuple[str, Pixels]]) -> list[Row]:
    """Show a model all pictures: one row of counts a kind, and one of all."""
    model = load(name, people="people")
    kinds = [*dict.fromkeys(kind for kind, _ in pictures), ALL]
    counts = {kind: Counter[str]() for kind in kinds}
    with Progress(len(pictures), f"Showing them to {name}", "picture") as tick:
        for number, (kind, picture) in enumerate(pictures):
            told = list(answers(model, picture, number))
            found = {
                "pictures": True,
                "somebody": any(person for person, _ in told),
                "actions": any(action is not None for _, action in told),
                "falling": any(action == "falling" for _, action in told),
            }
            for key in (kind, ALL):
                counts[key].update({name: int(value) for name, value in found.items()})
            tick(1)
    return [Row(Path(name).name, kind, **found) for kind, found in counts.items()]


def answers(model: Model, picture: Pixels, seed: int) -> Iterator[tuple[bool, str | None]]:
    """All answers to a picture: whether somebody is seen, and what action is claimed, or None."""
    if model.spec.clip.windowed:
        predictions = list(model.recognize(Standing(picture, seed)))
    else:
        predictions = [model.classify(picture)]
    for prediction in predictions:
        claims = not prediction.is_nobody and prediction.action != UNKNOWN
        yield not prediction.is_nobody, prediction.action if claims else None


class Standing(OpenSource):
    """A picture that stands still before a camera, as a clip."""

    def __init__(self, picture: Pixels, seed: int) -> None:
        self.name = "picture"
        self.live = False
        self.duration_s = SECONDS
        self._picture = picture
        self._random = np.random.default_rng(seed)

    def frames(self, sampler: FrameSampler) -> Generator[Frame, None, None]:
        """Yield it at the sampler's rate, each time with other noise."""
        for index in range(round(SECONDS * sampler.frame_rate_hz)):
            timestamp_s = index / sampler.frame_rate_hz
            if sampler.takes(timestamp_s):
                noise = self._random.normal(0, NOISE, self._picture.shape)
                noisy = np.clip(self._picture + noise, 0, 255).astype(np.uint8)
                yield Frame(noisy, timestamp_s, index, self.name, 0.0, number=index)

    def stop(self) -> None:
        """Nothing waits here."""


def _parts(stills: str, root: str, detector: str | None) -> list[Pixels]:
    locator = open_locator(detector) if detector else None
    if not isinstance(locator, SsdLocator):
        raise DataError(
            "--stills needs --detector: an SSD, which says where in them nobody is. Received "
            f"{'none' if locator is None else locator.name}."
        )
    samples = [s for s in list_dataset(stills, root).usable() if s.is_still]
    chosen = [s for s in samples if s.split == "test"] or samples
    with Progress(PARTS, "Cutting", "part") as tick:
        parts = []
        for part in cut_empty([s.path for s in chosen], locator, PARTS):
            parts.append(part)
            tick(1)
    return parts
