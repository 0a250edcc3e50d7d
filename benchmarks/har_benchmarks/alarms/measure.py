"""Run a model over recordings and judge what it says."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import cast

from har_benchmarks.alarms.judge import AlarmSettings, judge
from har_benchmarks.alarms.recordings import Recording
from har_benchmarks.alarms.report import AlarmReport
from har_benchmarks.alarms.trace import TraceFolder
from har_benchmarks.results.document import MachineRecord, file_facts
from har_edge import __version__
from har_edge.config import PeopleConfig
from har_edge.errors import DataError
from har_edge.machine.facts import machine_facts
from har_edge.model.loaded import LoadedModel
from har_edge.people.locate import PeopleParts
from har_edge.people.open import choose_people
from har_edge.progress import Progress
from har_edge.recognition.finding import find_own_people

# Thresholds of the curve.
CURVE = tuple(hundredths / 100 for hundredths in range(5, 100, 5))


def measure(
    model: LoadedModel,
    recordings: Sequence[Recording],
    settings: AlarmSettings,
    *,
    events: Collection[str],
    threshold: float,
    folder: Path,
    people: PeopleConfig | None = None,
) -> AlarmReport:
    """Measure a model as an alarm.

    Args:
        model: What predicts.
        recordings: See `list_recordings`.
        settings: How alarms are raised and judged.
        events: Labels of the event in the data.
        threshold: What a run would use; the curve has others beside it.
        folder: Predictions are kept in its `traces`, and used again.
        people: How people are found, if the model needs them or a network is named.

    Raises:
        DataError: if nothing that shows the event can be read.
        SpecError: if the model does not know the actions.
        OutputError: if predictions cannot be kept.
        ModelFileError, BackendError: if what finds people cannot be used.
    """
    # A wrong label is told now, not when all is predicted.
    judge(model.spec, (), (), settings, threshold)
    kept = TraceFolder(folder / "traces", model, *_find_people(model, people or PeopleConfig()))
    traces = []
    with Progress(len(recordings), "Predicting", "recording") as progress:
        for recording in recordings:
            traces.append(kept.trace(recording.path))
            progress()
    pairs = [(r, t) for r, t in zip(recordings, traces, strict=True) if t.seconds]
    broken = [trace.broken for trace in traces if trace.broken]
    if not any(recording.spans for recording, _ in pairs):
        raise DataError(
            "At least one video with the event should be readable. Received none: "
            f"{'; '.join(broken[:3])}"
        )
    seen, shown = [recording for recording, _ in pairs], [trace for _, trace in pairs]
    curve = [judge(model.spec, seen, shown, settings, at) for at in sorted({threshold, *CURVE})]
    return AlarmReport(
        model=file_facts(model.path),
        events=tuple(sorted(events)),
        settings=settings,
        chosen=next(figures for figures in curve if figures.threshold == threshold),
        curve=curve,
        traces=shown,
        broken=broken,
        machine=cast("MachineRecord", machine_facts()),
        version=__version__,
    )


def _find_people(
    model: LoadedModel, config: PeopleConfig
) -> tuple[PeopleParts | None, Sequence[object]]:
    """What finds people, and what tells it from others: the files' hashes and the settings."""
    parts = find_own_people(model, config)
    files = [path for path in (choose_people(model.path, config), config.pose) if path is not None]
    hashes = [file_facts(Path(path))["sha256"] for path in files]
    rule = [] if parts is None else [parts.rule.locate_every, parts.rule.max_people]
    return parts, [*hashes, *rule]
