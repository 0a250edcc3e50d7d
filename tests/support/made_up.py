"""Reports with figures that the test chooses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from har_benchmarks.results.document import SCHEMA_VERSION, Report
from har_benchmarks.results.table import Table
from har_benchmarks.stats import median, relative_spread, summarise

CALM = {
    "other_cores": 0.02,
    "stolen_cores": 0.0,
    "load_1min": 0.1,
    "temperature_c": 50.0,
    "throttling": None,
    "frequency_mhz": 2400.0,
}
MACHINE = {
    "date": "2026-01-02T03:04:05+00:00",
    "board": "Test Board",
    "cpu": "Some CPU",
    "architecture": "aarch64",
    "cores": 4,
    "cores_usable": 4,
    "governor": "performance",
    "memory_bytes": 4 * 2**30,
    "os": "Debian",
    "kernel": "6.1",
    "python": "3.11.2",
    "packages": {"numpy": "2.0.0"},
    "throttling": None,
}


def made_case(
    variant: str = "int8",
    rounds_ms: Sequence[float] = (2.0,) * 10,
    *,
    model: str = "made",
    backend: str = "litert",
    threads: int = 1,
    seed: int = 0,
    noise: float = 0.01,
    **summary: Any,
) -> dict[str, Any]:
    """A case whose rounds have these medians, more or less."""
    generator = np.random.default_rng(seed)
    rounds = []
    for number, middle in enumerate(rounds_ms):
        steps = middle * generator.normal(1, noise, 31)
        rounds.append(
            {
                "round": number,
                "backend_version": "1.0",
                "import_ms": 5.0,
                "load_ms": 9.0,
                "first_encode_ms": 2 * middle,
                "first_classify_ms": 0.5,
                "warmup_ms": [1.2 * middle, 1.1 * middle],
                "encode_ms": steps.tolist(),
                "classify_ms": [0.1] * 31,
                "step_ms": steps.tolist(),
                "memory_before_bytes": 40_000_000,
                "peak_memory_bytes": 60_000_000,
                "machine": dict(CALM),
            }
        )
    steps_ms = summarise([ms for r in rounds for ms in r["step_ms"]])
    figures = {
        f"{name}_ms": steps_ms[name] for name in ("p50", "p90", "p95", "p99", "min", "stdev")
    }
    return {
        "key": f"{model}-{variant}/{backend}/{threads}",
        "file": f"{model}-{variant}.tflite",
        "model": model,
        "variant": variant,
        "labels": ["a", "b"],
        "num_frames": 4,
        "frame_rate_hz": 5.0,
        "size_bytes": 3_600_000,
        "sha256": f"{model} {variant}",
        "backend": backend,
        "backend_version": "1.0",
        "num_threads": threads,
        "status": "ok",
        "reason": "",
        "summary": {
            **figures,
            "runs": steps_ms["count"],
            "frames_per_second": 1e3 / steps_ms["mean"],
            "round_spread": relative_spread([median(r["step_ms"]) for r in rounds]),
            "load_ms": 9.0,
            "first_ms": rounds[0]["first_encode_ms"],
            "peak_memory_bytes": 60_000_000,
            "memory_before_bytes": 40_000_000,
            "size_bytes": 3_600_000,
            **summary,
        },
        "rounds": rounds,
        "end_to_end": [],
        "profile": None,
    }


def made_report(*cases: dict[str, Any], **machine: Any) -> Report:
    """A report of these cases."""
    return {
        "schema_version": SCHEMA_VERSION,
        "har_edge": "0.0",
        "machine": {**MACHINE, **machine},
        "settings": {},
        "data": None,
        "cases": list(cases),
        "sustained": None,
    }


def made_table(*cases: dict[str, Any], **machine: Any) -> Table:
    """A report of these cases as a table."""
    return Table.of(made_report(*cases, **machine))
