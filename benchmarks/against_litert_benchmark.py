"""Does har-bench say what the runtime's own benchmark tool says? Both on the same file, in turns.

    python benchmarks/against_litert_benchmark.py MODELS... [--threads 1,2] [--out JSON]

In each round the harness's worker measures `encode` and `classify`, and litert-benchmark, which
comes with ai-edge-litert, measures the same two signatures of the same file with as many threads,
warm-up runs and runs. The order changes from round to round.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

from har_benchmarks.cases import Case, find_models, make_cases
from har_benchmarks.cli import CommaList
from har_benchmarks.jobs import run_job
from har_benchmarks.results import to_json
from har_benchmarks.stats import median, paired_ratio
from har_edge.cli import note, run_command
from har_edge.errors import HarError
from har_edge.machine import machine_facts

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


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("models", nargs=-1, required=True)
@click.option("--threads", type=CommaList(click.IntRange(min=1), "numbers"), default="1,2")
@click.option("--rounds", type=click.IntRange(min=1), default=7, show_default=True)
@click.option("--num-runs", type=click.IntRange(min=1), default=60, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="JSON file to write.")
def main(
    models: tuple[str, ...], threads: tuple[int, ...], rounds: int, num_runs: int, out: Path | None
) -> None:
    """Measure, print, write."""
    cases = make_cases(find_models(models), ("litert",), threads)
    samples: dict[str, dict[str, list[Any]]] = {c.key: {"ours": [], "theirs": []} for c in cases}
    for number in range(rounds):
        note(f"round {number + 1} of {rounds}")
        for case in cases:
            turn = [("ours", ours), ("theirs", theirs)]
            for name, measure in turn if number % 2 else reversed(turn):
                samples[case.key][name].append(measure(case, num_runs))
    rows = []
    for key, found in samples.items():
        for signature in SIGNATURES:
            a, b = ([r[signature] for r in found[who]] for who in ("ours", "theirs"))
            ratio = paired_ratio(b, a, level=0.95)
            rows.append({
                "case": key, "signature": signature, "ours_p50_ms": median(a),
                "theirs_p50_ms": median(b), "ratio": ratio.value, "low": ratio.low,
                "high": ratio.high, "ours_ms": a, "theirs_ms": b,
            })  # fmt: skip
            click.echo(
                f"{key:<28}{signature:<10}{median(a):>8.3f} ms {median(b):>8.3f} ms "
                f"{ratio.value - 1:+.1%} ({ratio.low - 1:+.1%} to {ratio.high - 1:+.1%})"
            )
    if out:
        facts = {"num_runs": num_runs, "rows": rows, "machine": machine_facts()}
        out.write_text(to_json(facts), encoding="utf-8")


if __name__ == "__main__":
    run_command(main)
