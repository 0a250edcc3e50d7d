"""Does har-bench say what the runtime's own benchmark tool says? Both on the same file, in turns.

    har-bench experiment against-litert-benchmark MODELS... [--threads 1,2] [--out JSON]

In each round the harness's worker measures `encode` and `classify`, and litert-benchmark, which
comes with ai-edge-litert, measures the same two signatures of the same file with as many threads,
warm-up runs and runs. The order changes from round to round.

The tool times a network whose input lies in place and whose output nobody reads; the harness times
what a program calls: an array in, an array out, conversion to the file's own types included. To see
what that is worth, a third process times the interpreter as the tool does, its input in place.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TypedDict, cast

import click
import numpy as np

from har_benchmarks.execute.jobs import run_job
from har_benchmarks.experiments.result import write_result
from har_benchmarks.experiments.turns import rotated
from har_benchmarks.options import CommaList
from har_benchmarks.plan.cases import Case, find_models, make_cases
from har_benchmarks.stats import median, paired_ratio
from har_benchmarks.tasks.protocol import Timing
from har_benchmarks.tasks.timing import repeat
from har_edge.commands.harness import note
from har_edge.compat.litert import bare_call
from har_edge.errors import HarError
from har_edge.machine.facts import machine_facts
from har_edge.model.loaded import load_model
from har_edge.model.runtimes import TfliteBackend

SIGNATURES = ("encode", "classify")
WARMUP_RUNS = 10
ITSELF = (sys.executable, "-m", "har_benchmarks", "experiment", "against-litert-benchmark")

Medians = dict[str, float]  # of a signature, in ms


def ours(case: Case, num_runs: int) -> Medians:
    """Medians of the harness's worker, in ms."""
    job = {
        "task": "timing", "model": case.facts.path, "backend": case.backend,
        "num_threads": case.num_threads, "num_runs": num_runs, "warmup_runs": WARMUP_RUNS,
        "max_secs": 60.0,
    }  # fmt: skip
    result, _ = run_job(job)
    timing = cast("Timing", result)
    return {"encode": median(timing["encode_ms"]), "classify": median(timing["classify_ms"])}


def theirs(case: Case, num_runs: int) -> Medians:
    """Medians of litert-benchmark, in ms, to the hundredth that it prints."""
    found = {}
    for name in SIGNATURES:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "result.json"
            command = [
                Path(sys.executable).with_name("litert-benchmark"), "--model", case.facts.path,
                "--signature", name, "--num_runs", num_runs, "--warmup_runs", WARMUP_RUNS,
                "--num_threads", case.num_threads, "--result_json", out,
            ]  # fmt: skip
            done = subprocess.run(list(map(str, command)), capture_output=True, check=False)
            if done.returncode or not out.exists():
                raise HarError(f"litert-benchmark failed: {done.stderr.decode()[-300:]}")
            found[name] = float(json.loads(out.read_text())["latency"]["median_ms"])
    return found


def in_place(case: Case, num_runs: int) -> Medians:
    """Medians of our interpreter alone, in ms, measured in a process of its own."""
    arguments = [case.facts.path, "--in-place", str(num_runs), "--threads", str(case.num_threads)]
    done = subprocess.run([*ITSELF, *arguments], capture_output=True, check=False)
    if done.returncode:
        raise HarError(f"The interpreter failed: {done.stderr.decode()[-300:]}")
    return dict(json.loads(done.stdout))


def time_in_place(path: str, num_threads: int, num_runs: int) -> Medians:
    """Time the interpreter's invocation of each signature, as `litert-benchmark` does."""
    model = load_model(path, backend="litert", num_threads=num_threads)
    clip = model.spec.clip
    frame = np.random.default_rng(0).integers(0, 256, clip.frame_shape, np.uint8)
    model.classify(np.stack([model.encode(frame)] * clip.num_frames))  # the inputs are in place
    assert isinstance(model.backend, TfliteBackend)
    found = {}
    for name in SIGNATURES:
        runner = model.backend.interpreter.get_signature_runner(name)
        call = bare_call(runner)
        repeat(call, WARMUP_RUNS)
        found[name] = median(repeat(call, num_runs))
    return found


@click.command()
@click.argument("models", nargs=-1, required=True)
@click.option("--threads", type=CommaList(click.IntRange(min=1), "numbers"), default="1,2")
@click.option("--rounds", type=click.IntRange(min=1), default=7, show_default=True)
@click.option("--num-runs", type=click.IntRange(min=1), default=60, show_default=True)
@click.option("--in-place", type=int, hidden=True, help="Be the third process, for so many runs.")
@click.option("--out", type=click.Path(path_type=Path), help="JSON file to write.")
def command(
    models: tuple[str, ...],
    threads: tuple[int, ...],
    rounds: int,
    num_runs: int,
    in_place: int | None,
    out: Path | None,
) -> None:
    """Compare what har-bench and litert-benchmark say of MODELS, in turns.

    \b
    Example:
      har-bench experiment against-litert-benchmark har15 --threads 1 --out litert.json
    """
    if in_place:
        click.echo(json.dumps(time_in_place(models[0], threads[0], in_place)))
        return
    cases = make_cases(find_models(models), ("litert",), threads)
    samples: dict[str, dict[str, list[Medians]]] = {
        c.key: {name: [] for name in WAYS} for c in cases
    }
    for number, order in enumerate(rotated(list(WAYS.items()), rounds)):
        note(f"round {number + 1} of {rounds}")
        for case in cases:
            for name, measure in order:
                samples[case.key][name].append(measure(case, num_runs))
    rows = [_row(key, found, name) for key, found in samples.items() for name in SIGNATURES]
    for row in rows:
        changes = [f"{beside['ratio'] - 1:+.1%}" for beside in (row["ours"], row["in_place"])]
        click.echo(
            f"{row['case']:<28}{row['signature']:<10}{row['theirs_p50_ms']:>7.2f} ms  "
            f"har-bench {changes[0]}, in place {changes[1]}"
        )
    write_result({"num_runs": num_runs, "rows": rows, "machine": machine_facts()}, out)


class Beside(TypedDict):
    """Medians of the rounds of one way, and their ratio to the tool's with its interval."""

    p50_ms: float
    ratio: float
    low: float
    high: float
    ms: list[float]


class Row(TypedDict):
    """One signature of one case."""

    case: str
    signature: str
    theirs_p50_ms: float
    theirs_ms: list[float]
    ours: Beside
    in_place: Beside


def _row(key: str, found: dict[str, list[Medians]], signature: str) -> Row:
    """Compare the tool's medians of all rounds with the other two's."""
    times = {name: [r[signature] for r in rounds] for name, rounds in found.items()}
    return {
        "case": key,
        "signature": signature,
        "theirs_p50_ms": median(times["theirs"]),
        "theirs_ms": times["theirs"],
        "ours": _beside(times["theirs"], times["ours"]),
        "in_place": _beside(times["theirs"], times["in_place"]),
    }


def _beside(theirs_ms: list[float], times_ms: list[float]) -> Beside:
    ratio = paired_ratio(theirs_ms, times_ms, level=0.95)
    return {
        "p50_ms": median(times_ms), "ratio": ratio.value, "low": ratio.low, "high": ratio.high,
        "ms": times_ms,
    }  # fmt: skip


WAYS = {"ours": ours, "theirs": theirs, "in_place": in_place}
