"""What `har-bench run` says beside the table."""

from __future__ import annotations

from dataclasses import replace

from har_benchmarks.commands.run import _skipped
from har_benchmarks.plan.cases import find_models, make_cases
from tests.support.tiny import ASSETS


def test_what_is_skipped_is_named_once_with_the_reason() -> None:
    facts = find_models([str(ASSETS / "tiny-int8.tflite")])
    cases = make_cases(facts, ("litert",), (1, 2))
    missing = [replace(c, backend="tflite-runtime", skipped="It is not installed.") for c in cases]
    assert _skipped([*cases, *missing]) == [
        "Skipped tiny-int8.tflite in tflite-runtime: It is not installed."
    ]
    assert _skipped(cases) == []
