"""Convert a people run, verify each file in the edge's runtime, and only then give it its name."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from har_convert.auditing.tflite import audit_flatbuffer
from har_convert.gate import EXACT, MAX_DIFFERENCE
from har_convert.people.card import format_people_card
from har_convert.people.make import PEOPLE_VARIANTS, SIGNATURE
from har_convert.people.run import PeopleRun, read_people_run
from har_convert.process import ConversionError, run_worker
from har_convert.worker import LOG_NAME
from har_edge.arrays import FloatArray
from har_edge.errors import DataError, GateError, OutputError
from har_edge.files import write_whole
from har_edge.model.people_file import pack_people_file
from har_edge.model.runtimes import import_runtime
from har_edge.model.spec import Variant
from har_edge.paths import display_path
from har_edge.people.match import match_boxes
from har_edge.say import Say
from har_edge.statistics import mean_interval
from har_edge.table import text_table
from har_edge.temporary import temporary_folder

LATENCY_ROUNDS, LATENCY_CALLS = 8, 4
WORKER = "har_convert.people.worker"


@dataclass(frozen=True)
class PeopleVerification:
    """How a file compares with the Keras model on the held-out pictures.

    Attributes:
        variant: Numeric form.
        pictures: Pictures compared.
        boxes: The teacher's boxes in them.
        recall, keras_recall: Share of these that the file, and the Keras model, find.
        drop: Recall lost, in points.
        drop_interval: Its 95 % interval, paired bootstrap over pictures.
        agreement: Share of the people of the Keras model that the file has, too.
        max_difference: Largest difference of the best score of any picture.
        locate_ms: Median time of one call, one thread.
    """

    variant: Variant
    pictures: int
    boxes: int
    recall: float
    keras_recall: float
    drop: float
    drop_interval: tuple[float, float]
    agreement: float
    max_difference: float
    locate_ms: float

    def metrics(self) -> dict[str, float]:
        """What was measured, as the spec keeps it."""
        return {
            "verified_pictures": float(self.pictures),
            "verified_boxes": float(self.boxes),
            "verified_recall": self.recall,
            "verified_keras_recall": self.keras_recall,
            "recall_drop_points": self.drop,
            "recall_drop_low": self.drop_interval[0],
            "recall_drop_high": self.drop_interval[1],
            "agreement_with_keras": self.agreement,
            "max_score_difference": self.max_difference,
            "locate_ms": self.locate_ms,
        }


def convert_people(
    folder: Path, variants: Sequence[Variant], out: Path, max_drop: float, say: Say
) -> tuple[list[PeopleVerification], list[Path]]:
    """Convert a run of `har-train people`.

    Args:
        folder: The run folder.
        variants: Which files to make, out of `PEOPLE_VARIANTS`.
        out: Folder for `NAME-<variant>.tflite`, the model card, checksums and the converter's log.
        max_drop: The gate: most recall to lose, in points.
        say: Takes a line for every step.

    Returns:
        What was found for each variant, and the files that met the gate.

    Raises:
        DataError: if the run or a variant cannot be used.
        ConversionError: if the converter fails or crashes.
        OutputError: if `out` cannot be written.
        GateError: if a file missed the gate; those that met it are written.
    """
    unknown = [v for v in variants if v not in PEOPLE_VARIANTS]
    if unknown:
        raise DataError(
            f"A people run converts to {', '.join(PEOPLE_VARIANTS)}. Received "
            f"{', '.join(unknown)}. Leave these out."
        )
    run = read_people_run(folder)
    with temporary_folder("har-convert-") as job:
        content = json.dumps({"run": str(folder.absolute()), "variants": list(variants)})
        (job / "job.json").write_text(content, encoding="utf-8")
        try:
            run_worker(job, say, WORKER)
        finally:
            _keep_log(job, out, run.spec.name)
        say(f"verifying {', '.join(variants)} on {len(run.held_out)} pictures")
        networks = {v: (job / f"{v}.tflite").read_bytes() for v in variants}
        with np.load(job / "reference.npz", allow_pickle=False) as arrays:
            reference = arrays["people"]
    runners = {v: Locate(network) for v, network in networks.items()}
    times = _measure_latency(runners, run)
    results = [compare(v, runners[v], reference, run, times[v]) for v in variants]
    paths = [_write(r, networks[r.variant], run, out) for r in results if not miss(r, max_drop)]
    if paths:
        write_whole(out / "MODEL_CARD.md", format_people_card(run.spec, results), advice="")
        _write_sums(out, run.spec.name)
    misses = [reason for r in results if (reason := miss(r, max_drop))]
    if misses:
        raise GateError(f"{'; '.join(misses)}. Not written. Make --float16 instead.")
    return results, paths


class Locate:
    """A flatbuffer with the signature `locate`, one thread."""

    def __init__(self, network: bytes) -> None:
        # A runner does not keep what it runs: without these two it reads memory that is gone.
        self._network = network
        self._interpreter = import_runtime("litert").Interpreter(
            model_content=network, num_threads=1
        )
        self._runner = self._interpreter.get_signature_runner(SIGNATURE)
        self._dtype = self._runner.get_input_details()["frame"]["dtype"]

    def __call__(self, frame: NDArray[np.uint8]) -> FloatArray:
        """People of an input, (H, W, 3) -> (N, 56)."""
        given = frame[np.newaxis].astype(self._dtype)
        return np.asarray(self._runner(frame=given)["people"][0], np.float32)


def compare(
    variant: Variant, locate: Locate, reference: FloatArray, run: PeopleRun, locate_ms: float
) -> PeopleVerification:
    """Run a file on the held-out pictures and compare it with the Keras model."""
    found = np.stack([locate(frame) for frame in run.held_out])
    if not np.isfinite(found).all():
        raise ConversionError(f"{variant} gives numbers that are none. Try another variant.")
    threshold = run.spec.score_threshold
    hits = np.zeros((2, len(found)))
    wanted, kept, known = np.zeros(len(found)), 0, 0
    for number, both in enumerate(zip(found, reference, strict=True)):
        boxes = run.boxes[run.box_of == number]
        wanted[number] = len(boxes)
        ours, keras = (rows[rows[:, 0] >= threshold][:, 1:5] for rows in both)
        for which, people in enumerate((ours, keras)):
            hits[which, number] = (match_boxes(boxes, people) >= 0).sum()
        kept += int((match_boxes(keras, ours) >= 0).sum())
        known += len(keras)
    total = max(1.0, float(wanted.sum()))
    lost = 100 * (hits[1] - hits[0]) * len(found) / total  # its mean over pictures is the drop
    return PeopleVerification(
        variant=variant,
        pictures=len(found),
        boxes=int(wanted.sum()),
        recall=float(hits[0].sum() / total),
        keras_recall=float(hits[1].sum() / total),
        drop=float(lost.mean()),
        drop_interval=mean_interval(lost),
        agreement=kept / max(1, known),
        max_difference=float(np.abs(found[:, 0, 0] - reference[:, 0, 0]).max()),
        locate_ms=locate_ms,
    )


def miss(result: PeopleVerification, max_drop: float) -> str:
    """Why a file misses the gate; "" if it does not."""
    low, high = result.drop_interval
    if result.drop > max_drop:
        return (
            f"{result.variant} loses {result.drop:.1f} points of recall (95 % interval {low:.1f} "
            f"to {high:.1f}), the gate is {max_drop:g}"
        )
    if result.variant in EXACT and result.max_difference > MAX_DIFFERENCE:
        return (
            f"{result.variant} should be the same network, but a score differs by "
            f"{result.max_difference:.2g}"
        )
    return ""


def _measure_latency(runners: Mapping[Variant, Locate], run: PeopleRun) -> dict[Variant, float]:
    """Median milliseconds of a call; the files take turns."""
    times: dict[Variant, list[float]] = {v: [] for v in runners}
    for turn in range(LATENCY_ROUNDS + 1):
        for variant, locate in runners.items():
            for call in range(LATENCY_CALLS):
                started = time.perf_counter()
                locate(run.held_out[call % len(run.held_out)])
                if turn:  # the first is for warming up
                    times[variant].append(time.perf_counter() - started)
    return {v: 1e3 * float(np.median(t)) for v, t in times.items()}


def _write(result: PeopleVerification, network: bytes, run: PeopleRun, out: Path) -> Path:
    audit = audit_flatbuffer(network)
    if audit.not_builtin:
        raise ConversionError(
            f"{result.variant} contains ops that small runtimes lack: "
            f"{', '.join(audit.not_builtin)}. Use layers that convert to builtin ops."
        )
    spec = run.spec.with_metrics(result.variant, result.metrics())
    path = out / f"{spec.name}-{result.variant}.tflite"
    advice = "Free some disk space, or give another --out."
    write_whole(path, pack_people_file(network, spec), parents=True, advice=advice)
    return path


def _write_sums(out: Path, name: str) -> None:
    paths = [*sorted(out.glob(f"{name}-*.tflite")), out / "MODEL_CARD.md"]
    lines = [f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.name}\n" for p in paths]
    write_whole(out / "SHA256SUMS", "".join(lines))


def _keep_log(job: Path, out: Path, name: str) -> None:
    log = job / LOG_NAME
    if not log.exists():
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
        content = log.read_text(encoding="utf-8", errors="replace")
        (out / f"{name}-{LOG_NAME}").write_text(content, encoding="utf-8")
    except OSError as error:
        raise OutputError(
            f"{display_path(out)} cannot be written: {error.strerror}. Give another --out."
        ) from error


def format_verifications(results: Sequence[PeopleVerification], paths: Sequence[Path]) -> str:
    """Lay the verified files out as a table."""
    rows = []
    for r, path in zip(results, paths, strict=True):
        low, high = r.drop_interval
        rows.append(
            (
                r.variant,
                f"{path.stat().st_size / 1e6:.1f} MB",
                f"{r.agreement:.1%}",
                f"{r.recall:.1%}",
                f"{r.drop:.1f} ({low:.1f} to {high:.1f})",
                f"{r.locate_ms:.2f} ms",
                display_path(path),
            )
        )
    headers = ("variant", "size", "as Keras", "recall", "drop in points (95 %)", "locate", "file")
    return text_table(rows, headers, align="lrrrrrl")
