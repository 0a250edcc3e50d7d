"""What a worker is told, what it says meanwhile and what it answers: plain values, over a pipe.

A job is one JSON object on the worker's standard input. Each line of its output is an `Event`;
the last one holds the answer or why there is none.
"""

from __future__ import annotations

from typing import Protocol, TypedDict

from har_edge.model.loaded import LoadedModel

# Path, label, group, start and end in seconds; no end is the end of the file.
ItemRow = tuple[str, str, str, float, "float | None"]


class Tell(Protocol):
    """Takes the kind of an event and its fields."""

    def __call__(self, event: str, /, **fields: object) -> None:
        """Tell it."""


class LoadModel(Protocol):
    """Loads a model as `har_edge.model.loaded.load_model` does."""

    def __call__(self, model: str, /, *, backend: str, num_threads: int) -> LoadedModel:
        """Load it."""


class CommonJob(TypedDict):
    """What every task needs to know.

    `max_secs` bounds the calls of `num_runs`, all together; `warmup_runs` come before them.
    """

    task: str
    model: str
    backend: str
    num_threads: int
    num_runs: int
    warmup_runs: int
    max_secs: float


class Job(CommonJob, total=False):
    """A job: `video` is for end to end, `minutes` for sustained, `items` for accuracy."""

    video: str
    minutes: float
    items: list[ItemRow]


class Event(TypedDict, total=False):
    """A line that a worker writes.

    `event` is stage (with `name`), progress, sample (with `at_s`, `p50_ms`, `runs`), result (with
    `result`) or error (with `message`).
    """

    event: str
    name: str
    at_s: float
    p50_ms: float
    runs: int
    result: dict[str, object]
    message: str


class FrameInference(TypedDict):
    """Times of the calls of a loaded model, in ms; see `timing`."""

    first_encode_ms: float
    first_classify_ms: float
    warmup_ms: list[float]
    encode_ms: list[float]
    classify_ms: list[float]
    step_ms: list[float]


class Inference(FrameInference, total=False):
    """And of the whole window anew, where T > 1."""

    clip_ms: list[float]


class Timing(Inference):
    """One round of bare inference; see `timing`."""

    backend_version: str
    import_ms: float
    load_ms: float
    memory_before_bytes: int | None
    peak_memory_bytes: int | None


class Throttling(TypedDict):
    """What slows a processor down; see `har_edge.machine.facts.throttling`."""

    now: list[str]
    since_start: list[str]
    events: int | None


class State(TypedDict):
    """What else went on while a job ran, and how hot and busy the machine was after it.

    Cores are those that other programs kept busy, and that a hypervisor gave away.
    """

    other_cores: float | None
    stolen_cores: float | None
    load_1min: float
    frequency_mhz: float | None
    temperature_c: float | None
    throttling: Throttling | None


class TimingRound(Timing):
    """Bare inference in one round of a run."""

    round: int
    machine: State


class EndToEnd(TypedDict):
    """A video from file to action: times of each frame by part, and over all of it."""

    decode_ms: list[float]
    preprocess_ms: list[float]
    encode_ms: list[float]
    classify_ms: list[float]
    latency_ms: list[float]
    frames: int
    wall_s: float


class EndToEndRound(EndToEnd):
    """A video in one round of a run."""

    round: int
    machine: State


class Answers(TypedDict):
    """For each labelled file: 1 or 0 for a right answer, and the class of every window."""

    right: list[int]
    in_top5: list[int]
    windows: list[list[int]]


class Op(TypedDict):
    """What the nodes of one operator take together in one call."""

    signature: str
    op: str
    nodes: int
    ms: float
