"""What is measured: every model file in every runtime with every number of threads."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from har_edge.errors import BackendError, HarError, ModelFileError
from har_edge.model.catalogue import bundled_for
from har_edge.model.file import BUNDLED, models_in, read_model_file, resolve_model
from har_edge.model.runtimes import RUNTIMES, TFLITE_RUNTIMES, import_runtime
from har_edge.paths import display_path


@dataclass(frozen=True)
class ModelFacts:
    """A model file, as far as a report names it.

    Attributes:
        path: Where it lies; of an ONNX pair the one with `encode`. Not told in reports.
        file: Its name.
        model: Name of the model that it is a variant of.
        variant: Its numeric form.
        labels: What it can answer.
        num_frames: Frames in a window, T.
        frame_rate_hz: Rate of these frames.
        size_bytes: Size on disk, of both files of an ONNX pair.
        sha256: Hash of the network or networks in it.
    """

    path: str
    file: str
    model: str
    variant: str
    labels: tuple[str, ...]
    num_frames: int
    frame_rate_hz: float
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Case:
    """One thing to measure.

    Attributes:
        facts: The model file.
        backend: Name of the runtime.
        num_threads: Its threads.
        skipped: Why it cannot be measured here, or "".
    """

    facts: ModelFacts
    backend: str
    num_threads: int
    skipped: str = ""

    @property
    def key(self) -> str:
        """Name by which two reports are compared, as `clips-int8/litert/2`."""
        return f"{self.facts.model}-{self.facts.variant}/{self.backend}/{self.num_threads}"

    def to_record(self) -> dict[str, Any]:
        """Turn into plain values."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Case:
        """Read what `to_record` gave, after a detour through JSON."""
        facts = dict(record["facts"])
        facts["labels"] = tuple(facts["labels"])
        return cls(ModelFacts(**facts), **{k: v for k, v in record.items() if k != "facts"})


def find_models(names: Sequence[str]) -> list[ModelFacts]:
    """Read what model files say about themselves.

    Args:
        names: Bundled names, model files, or folders for all models in them.

    Raises:
        ModelFileError: if there is none, one is no model, or two are the same variant of a model.
    """
    found = [_facts(path) for path in _paths(names or bundled_for(people=False))]
    for facts in found:
        same = [f for f in found if (f.model, f.variant) == (facts.model, facts.variant)]
        if len(same) > 1:
            raise ModelFileError(
                f"Expected one file per variant. Received {same[0].file} and {same[1].file}, "
                f"both {facts.variant} of {facts.model}. Measure them in two runs and compare "
                "the runs with har-bench compare."
            )
    return found


def _paths(names: Iterable[str]) -> list[Path]:
    paths: list[Path] = []
    for name in names:
        folder = Path(name)
        if name not in BUNDLED and folder.is_dir():
            inside = models_in(folder)
            if not inside:
                raise ModelFileError(
                    f"{display_path(folder)} should contain .tflite or .onnx files. Received "
                    "none. Give a folder written by har-convert."
                )
            paths += inside
        else:
            # Either file of an ONNX pair stands for both.
            paths.append(read_model_file(resolve_model(name)).path)
    return list(dict.fromkeys(paths))


def _facts(path: Path) -> ModelFacts:
    file = read_model_file(path)
    digest = hashlib.sha256()
    for network in file.networks:
        digest.update(network)
    return ModelFacts(
        path=str(file.path.absolute()),
        file=display_path(file.path.name),
        model=file.spec.name,
        variant=file.spec.variant,
        labels=file.spec.labels,
        num_frames=file.spec.clip.num_frames,
        frame_rate_hz=file.spec.clip.frame_rate_hz,
        size_bytes=file.size_bytes,
        sha256=digest.hexdigest(),
    )


def make_cases(
    models: Sequence[ModelFacts], backends: Sequence[str], threads: Sequence[int]
) -> list[Case]:
    """Combine models, runtimes and numbers of threads.

    Args:
        models: Model files.
        backends: Names of runtimes; none for all that load here.
        threads: Numbers of threads.

    Returns:
        All combinations that make sense; those whose runtime is missing are marked as skipped.

    Raises:
        HarError: if nothing is left to measure.
    """
    wanted = backends or RUNTIMES
    reasons = {name: _why_not(name) for name in wanted}
    cases = []
    for facts in models:
        onnx = facts.file.endswith(".onnx")
        fitting = [b for b in wanted if (b not in TFLITE_RUNTIMES) == onnx]
        # A runtime that nobody asked for is missed only if no other runs this file.
        if not backends:
            fitting = [b for b in fitting if not reasons[b]] or fitting[:1]
        cases += [Case(facts, b, n, reasons[b]) for b in fitting for n in threads]
    if not any(not case.skipped for case in cases):
        why = " ".join(dict.fromkeys(case.skipped for case in cases))
        raise HarError(
            f"Expected models that the chosen runtimes can run. Received {len(models)} models "
            f"for {', '.join(wanted)}. {why or 'Give --backends that run these files.'}"
        )
    return cases


def _why_not(backend: str) -> str:
    try:
        import_runtime(backend)
    except BackendError as error:
        return str(error)
    return ""
