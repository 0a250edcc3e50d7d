"""The model card of a network that finds people, in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from har_edge.machine.facts import machine_facts
from har_edge.model.people_spec import PeopleSpec


class Verified(Protocol):
    """What the card says of a file."""

    @property
    def variant(self) -> str: ...
    @property
    def recall(self) -> float: ...
    @property
    def keras_recall(self) -> float: ...
    @property
    def drop(self) -> float: ...
    @property
    def agreement(self) -> float: ...
    @property
    def locate_ms(self) -> float: ...
    @property
    def pictures(self) -> int: ...
    @property
    def boxes(self) -> int: ...


def format_people_card(spec: PeopleSpec, results: Sequence[Verified]) -> str:
    """Compose the card."""
    sections = {
        "Input and output": _contract(spec),
        "Files": _files(results),
        "How it was made": _origin(spec),
        "Limits": _limits(),
        "Licence": spec.license,
    }
    parts = [f"# {spec.name}", spec.description]
    parts += [f"## {title}\n\n{body.strip()}" for title, body in sections.items() if body.strip()]
    return "\n\n".join(part for part in parts if part) + "\n"


def _contract(spec: PeopleSpec) -> str:
    return (
        f"- Signature `locate`: `frame`, (1, {spec.height}, {spec.width}, 3) RGB 0..255, the whole "
        "picture letterboxed (as large as it fits without changing its shape, in the middle, black "
        f"around) → `people`, {spec.people_shape}.\n"
        "- A row: score; box as left, top, right, bottom; x, y and score of each keypoint; all in "
        "[0, 1] of the input; best first. A row of score 0 is nobody.\n"
        f"{_second_look(spec)}"
        f"- A person from a score of {spec.score_threshold:g} on.\n"
        f"- Keypoints: {', '.join(spec.keypoints)}."
    )


def _second_look(spec: PeopleSpec) -> str:
    if not spec.rescore:
        return ""
    return (
        "- har-edge then gives each row its score anew, by what its joints look like: the weights "
        "are `rescore` in the file's `har.json`, the rule is `har_edge.people.rescore`. The "
        "network alone has the scores from before.\n"
    )


def _files(results: Sequence[Verified]) -> str:
    first = results[0]
    lines = [
        f"Compared with the Keras model on {first.pictures} held-out pictures with {first.boxes} "
        f"people by the teacher's word, of which Keras finds {first.keras_recall:.1%} (overlap of "
        "0.5). Latency is the median of one call with one thread on "
        f"{machine_facts()['cpu']}.",
        "",
        "| variant | recall | drop in points | people as Keras | locate |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {r.variant} | {r.recall:.1%} | {r.drop:.1f} | {r.agreement:.1%} | "
        f"{r.locate_ms:.2f} ms |"
        for r in results
    ]
    return "\n".join(lines)


def _origin(spec: PeopleSpec) -> str:
    return (
        "Its layers up to the last residual block of a MobileNetV2, its feature pyramid and the "
        "heads that refine keypoints are those of MoveNet MultiPose, published under Apache-2.0; "
        "the layers between were made narrower by least squares and gradient steps on real "
        "pictures, so that they give much the same. The heads of "
        "middles, boxes and keypoint regression were trained on what two published networks, an "
        "SSD and MoveNet Lightning, see in stills and clips; nobody labelled anything by hand. The "
        "command is `har-train people`."
    )


def _limits() -> str:
    return (
        "- At most as many people as it has rows; in a crowd the others are missing.\n"
        "- What it takes for a person is what its teacher does: people on posters, screens and in "
        "mirrors count.\n"
        "- Small people, under 5 % of the picture, are often missed; see the measured figures.\n"
        "- Its figures say how often it agrees with a teacher, not with a human eye."
    )
