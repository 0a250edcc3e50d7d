"""Does har-bench say what the runtime's own benchmark tool says? Both on the same file, in turns.

    python benchmarks/against_litert_benchmark.py MODELS... [--threads 1,2] [--out JSON]

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
from typing import Any

import click
import numpy as np

from har_benchmarks.commands import CommaList
from har_benchmarks.execute.jobs import run_job
from har_benchmarks.plan.cases import Case, find_models, make_cases
from har_benchmarks.results.results import to_json
from har_benchmarks.stats import median, paired_ratio
from har_edge.commands.harness import note, run_command
from har_edge.errors import HarError
from har_edge.machine.facts import machine_facts

SIGNATURES = ("encode", "classify")
WARMUP_RUNS = 10


def ours(case: Case, num_runs: int) -> dict[str, float]:
    """Medians of the harness's worker, in ms."""
    job = {
        "task": "timing", "model": case.facts.path, "backend": case.backend,
        "num_threads": case.num_threads, "num_runs": num_runs, "warmup_runs": WARMUP_RUNS,
        "max_secs": 60.0,
    }  # fmt: skip
    result, _ = run_job(job)
    return {name: median(result[f"{name}_ms"]) for name in SIGNATURES}


def theirs(case: Case, num_runs: int) -> dict[str, float]:
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


def in_place(case: Case, num_runs: int) -> dict[str, float]:
    """Medians of our interpreter alone, in ms, measured in a process of its own."""
    command = [sys.executable, __file__, case.facts.path, "--in-place", str(num_runs)]
    done = subprocess.run(
        [*command, "--threads", str(case.num_threads)], capture_output=True, check=False
    )
    if done.returncode:
        raise HarError(f"The interpreter failed: {done.stderr.decode()[-300:]}")
    return dict(json.loads(done.stdout))


def time_in_place(path: str, num_threads: int, num_runs: int) -> dict[str, float]:
    """Time the interpreter's invocation of each signature, as `litert-benchmark` does."""
    from har_benchmarks.tasks.timing import repeat
    from har_edge.compat.litert import bare_call
    from har_edge.model.loaded import load_model

    model = load_model(path, backend="litert", num_threads=num_threads)
    clip = model.spec.clip
    frame = np.random.default_rng(0).integers(0, 256, clip.frame_shape, np.uint8)
    model.classify(np.stack([model.encode(frame)] * clip.num_frames))  # the inputs are in place
    interpreter = model.backend._interpreter  # type: ignore[attr-defined]
    found = {}
    for name in SIGNATURES:
        runner = interpreter.get_signature_runner(name)
        call = bare_call(runner)
        repeat(call, WARMUP_RUNS)
        found[name] = median(repeat(call, num_runs))
    return found


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("models", nargs=-1, required=True)
@click.option("--threads", type=CommaList(click.IntRange(min=1), "numbers"), default="1,2")
@click.option("--rounds", type=click.IntRange(min=1), default=7, show_default=True)
@click.option("--num-runs", type=click.IntRange(min=1), default=60, show_default=True)
@click.option("--in-place", type=int, hidden=True, help="Be the third process, for so many runs.")
@click.option("--out", type=click.Path(path_type=Path), help="JSON file to write.")
def main(
    models: tuple[str, ...],
    threads: tuple[int, ...],
    rounds: int,
    num_runs: int,
    in_place: int | None,
    out: Path | None,
) -> None:
    """Measure, print, write."""
    if in_place:
        click.echo(json.dumps(time_in_place(models[0], threads[0], in_place)))
        return
    cases = make_cases(find_models(models), ("litert",), threads)
    samples: dict[str, dict[str, list[Any]]] = {c.key: {name: [] for name in WAYS} for c in cases}
    for number in range(rounds):
        note(f"round {number + 1} of {rounds}")
        for case in cases:
            turn = list(WAYS.items())
            for name, measure in turn[number % 3 :] + turn[: number % 3]:
                samples[case.key][name].append(measure(case, num_runs))
    rows = [_row(key, found, name) for key, found in samples.items() for name in SIGNATURES]
    for row in rows:
        changes = [f"{row[name]['ratio'] - 1:+.1%}" for name in ("ours", "in_place")]
        click.echo(
            f"{row['case']:<28}{row['signature']:<10}{row['theirs_p50_ms']:>7.2f} ms  "
            f"har-bench {changes[0]}, in place {changes[1]}"
        )
    if out:
        facts = {"num_runs": num_runs, "rows": rows, "machine": machine_facts()}
        out.write_text(to_json(facts), encoding="utf-8")


def _row(key: str, found: dict[str, list[Any]], signature: str) -> dict[str, Any]:
    """Compare the tool's medians of all rounds with the other two's."""
    times = {name: [r[signature] for r in rounds] for name, rounds in found.items()}
    row: dict[str, Any] = {
        "case": key,
        "signature": signature,
        "theirs_p50_ms": median(times["theirs"]),
        "theirs_ms": times["theirs"],
    }
    for name in ("ours", "in_place"):
        ratio = paired_ratio(times["theirs"], times[name], level=0.95)
        row[name] = {
            "p50_ms": median(times[name]), "ratio": ratio.value, "low": ratio.low,
            "high": ratio.high, "ms": times[name],
        }  # fmt: skip
    return row


WAYS = {"ours": ours, "theirs": theirs, "in_place": in_place}


if __name__ == "__main__":
    run_command(main)
