"""What a model says about a whole recording, kept so that any threshold can be judged later."""

from __future__ import annotations

import contextlib
import hashlib
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from har_benchmarks.results.document import file_facts
from har_edge.errors import SourceError
from har_edge.files import open_whole
from har_edge.frames.sampling import FrameSampler
from har_edge.model.loaded import LoadedModel
from har_edge.people.locate import PeopleParts
from har_edge.recognition.people import new_looker
from har_edge.recognition.prediction import Prediction
from har_edge.recognition.whole import look_at
from har_edge.sources.open import open_source


@dataclass(frozen=True, eq=False)
class Trace:
    """The predictions for a recording, as the model makes them: not yet smoothed or decided.

    Attributes:
        seconds: How much of the recording was seen.
        predictions: In order of time.
        broken: Why it could not be read to its end; "" if it was.
    """

    seconds: float
    predictions: tuple[Prediction, ...]
    broken: str = ""


def trace_recording(model: LoadedModel, path: Path, people: PeopleParts | None = None) -> Trace:
    """Run a model over a recording, as `har-edge run` does; what breaks off is kept so far.

    Args:
        model: What predicts.
        path: The video.
        people: What finds people, of whom each has predictions; None for whole pictures.
    """
    rate_hz = model.spec.clip.frame_rate_hz
    seconds, broken = 0.0, ""
    found: list[Prediction] = []
    try:
        source = open_source(path)
        with contextlib.closing(source.frames(FrameSampler(rate_hz))) as frames:
            for seen in look_at(new_looker(model, people), frames):
                seconds = seen.frame.timestamp_s + 1 / rate_hz
                found += [p for p in seen.predictions if not p.is_nobody]
    except SourceError as error:
        broken = str(error)
    return Trace(seconds, tuple(found), broken)


class TraceFolder:
    """Traces on disk, so that an interrupted measurement goes on where it was.

    Args:
        folder: Where they are kept; it need not exist yet.
        model: What makes them; those of another model are made anew.
        people: What finds people; None for whole pictures.
        finder: What tells it from others: its hash and its settings.
    """

    def __init__(
        self,
        folder: Path,
        model: LoadedModel,
        people: PeopleParts | None = None,
        finder: Sequence[object] = (),
    ) -> None:
        self.folder = folder
        self.model = model
        self.people = people
        self._finder = list(finder)
        # Of the whole file: temperature and labels in its spec make other answers, too.
        self._model_sha256 = file_facts(model.path)["sha256"]

    def trace(self, path: Path) -> Trace:
        """Give a recording's trace: the one on disk, else a new one."""
        file = self.folder / f"{self._key(path)}.npz"
        kept = _read(file, path.name, self.model.spec.labels)
        if kept is not None:
            return kept
        made = trace_recording(self.model, path, self.people)
        _write(file, made)
        return made

    def _key(self, path: Path) -> str:
        facts = path.stat()
        parts = [str(path.resolve()), facts.st_size, facts.st_mtime_ns, self._model_sha256]
        parts += self._finder
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _write(file: Path, trace: Trace) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with open_whole(file) as stream:
        np.savez(
            stream,
            seconds=np.float64(trace.seconds),
            broken=np.array(trace.broken),
            times=np.array([p.timestamp_s for p in trace.predictions], np.float64),
            people=np.array([p.person or 0 for p in trace.predictions], np.int64),
            probabilities=np.array([p.probabilities for p in trace.predictions], np.float32),
        )


def _read(file: Path, source: str, labels: Sequence[str]) -> Trace | None:
    """Read a trace; one that is damaged counts as missing."""
    try:
        with np.load(file, allow_pickle=False) as arrays:
            rows = zip(arrays["times"], arrays["people"], arrays["probabilities"], strict=True)
            predictions = tuple(
                Prediction(
                    source=source,
                    frame=0,
                    timestamp_s=float(at_s),
                    probabilities=row,
                    labels=tuple(labels),
                    window_frames=0,
                    decode_ms=0.0,
                    preprocess_ms=0.0,
                    encode_ms=0.0,
                    classify_ms=0.0,
                    person=int(person) or None,
                )
                for at_s, person, row in rows
            )
            return Trace(float(arrays["seconds"]), predictions, str(arrays["broken"]))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None
