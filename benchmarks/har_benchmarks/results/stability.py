"""Was the machine calm enough to believe the figures? What was not, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from har_benchmarks.results.document import MachineRecord, Problem
from har_benchmarks.results.table import Row, Table
from har_benchmarks.stats import median, summarise
from har_benchmarks.tasks.protocol import State

# Medians of rounds that differ more than this hide a difference of a few per cent.
MAX_SPREAD = 0.05
MAX_DRIFT = 0.05
MAX_APART = 0.12  # cases whose drifts differ more (over twice the above) did not share a cause
MAX_NAMED = 3
MAX_OTHER_CORES = 0.25
MAX_STOLEN_CORES = 0.02
MAX_TAIL = 2.0  # p99 over p50
HOT_C = 80.0  # a Raspberry Pi slows down at 80 degrees, soft limit first
ENOUGH_ROUNDS = 4


def find_problems(table: Table) -> list[Problem]:
    """List what makes a report's figures doubtful.

    Returns:
        Rows of `kind`, `detail` (what was seen) and `advice` (what to do), the machine's first.
    """
    cases = table.rows
    states = [r["machine"] for case in cases for r in case.rounds]
    return [
        *_machine_problems(table.machine, states),
        *_spread(cases),
        *_drift(cases),
        *_tails(cases),
    ]


def _problem(kind: str, detail: str, advice: str) -> Problem:
    return {"kind": kind, "detail": detail, "advice": advice}


def _machine_problems(machine: MachineRecord, states: Sequence[State]) -> Iterable[Problem]:
    governor = machine.get("governor")
    if governor not in (None, "performance"):
        yield _problem(
            "governor",
            f"The frequency governor is {governor}, not performance.",
            "Run: echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/"
            "scaling_governor",
        )
    throttling = [state["throttling"] for state in states if state["throttling"]]
    slowed = sorted({name for found in throttling for name in found["now"]})
    events = [found["events"] for found in throttling if found["events"]]
    if slowed or (events and max(events) > min(events)):
        yield _problem(
            "throttling",
            "The processor was throttled during the measurement: "
            f"{', '.join(slowed) or 'throttled'}.",
            "Cool it (heat sink, fan), use the board's own power supply, and measure again.",
        )
    hottest = max((s["temperature_c"] for s in states if s["temperature_c"]), default=0.0)
    if hottest >= HOT_C:
        yield _problem(
            "heat",
            f"The processor reached {hottest:g} °C.",
            "Cool it or let it rest, and measure again; --sustained MINUTES shows the drift.",
        )
    yield from _other_load(states)


def _other_load(states: Sequence[State]) -> Iterable[Problem]:
    others = [s["other_cores"] for s in states if s["other_cores"] is not None]
    if others and summarise(others)["p90"] > MAX_OTHER_CORES:
        yield _problem(
            "other load",
            f"Other programs kept {summarise(others)['p90']:.2f} cores busy in one round of ten.",
            "Close them (see top) and measure again.",
        )
    stolen = [s["stolen_cores"] for s in states if s["stolen_cores"] is not None]
    if stolen and summarise(stolen)["p90"] > MAX_STOLEN_CORES:
        yield _problem(
            "hypervisor",
            f"The hypervisor took {summarise(stolen)['p90']:.2f} cores in one round of ten.",
            "Measure on a machine of your own, or with more --rounds at another time.",
        )


def _spread(cases: Sequence[Row]) -> Iterable[Problem]:
    loose = {c.key: c.figures.round_spread for c in cases if len(c.rounds) > 2}
    loose = {key: spread for key, spread in loose.items() if spread > MAX_SPREAD}
    if loose:
        worst = max(loose, key=lambda key: loose[key])
        yield _problem(
            "spread",
            f"The rounds differ by more than {MAX_SPREAD:.0%} in {len(loose)} of {len(cases)} "
            f"cases, most in {worst} ({loose[worst]:.1%} between quartiles).",
            "Close other programs, fix the CPU frequency, and use more --rounds.",
        )


def _drift(cases: Sequence[Row]) -> Iterable[Problem]:
    """Compare the last third of the rounds with the first, case by case."""
    changes = {}
    for case in cases:
        medians = list(case.round_medians_ms.values())
        third = len(medians) // 3
        if len(medians) >= ENOUGH_ROUNDS and third:
            changes[case.key] = median(medians[-third:]) / median(medians[:third]) - 1
    if not changes:
        return
    typical = median(list(changes.values()))
    if (1 + max(changes.values())) / (1 + min(changes.values())) - 1 > MAX_APART:
        yield _drift_apart(changes)
    elif abs(typical) > MAX_DRIFT:
        holds = "; comparisons within this run are still valid, since all cases drifted together"
        yield _problem(
            "drift",
            f"The last rounds differ from the first by {typical:+.1%}.",
            f"Let the machine warm up first, or cool it{holds if len(changes) > 1 else ''}.",
        )


def _drift_apart(changes: Mapping[str, float]) -> Problem:
    """Name the cases that changed most, and the one that changed least."""
    order = sorted(changes, key=lambda key: -abs(changes[key]))
    *drifting, steady = [k for k in order[:-1] if abs(changes[k]) > MAX_DRIFT] + order[-1:]
    named = [f"{changes[key]:+.1%} in {key}" for key in drifting[:MAX_NAMED]]
    if len(drifting) > MAX_NAMED:
        named.append(f"more than {MAX_DRIFT:.0%} in {len(drifting) - MAX_NAMED} more")
    return _problem(
        "drift",
        "Between the first and the last rounds the cases drifted by different amounts: "
        f"{', '.join(named)}, but {changes[steady]:+.1%} in {steady}.",
        "Do not compare these cases: their figures depend on when they were measured. Close "
        "other programs, let the machine warm up, and run again.",
    )


def _tails(cases: Sequence[Row]) -> Iterable[Problem]:
    tails = {c.key: c.figures.p99_ms / c.figures.p50_ms for c in cases}
    long = {key: tail for key, tail in tails.items() if tail > MAX_TAIL}
    if long:
        worst = max(long, key=lambda key: long[key])
        yield _problem(
            "tail",
            f"One call in a hundred takes more than {MAX_TAIL:g} times the median in {len(long)} "
            f"of {len(cases)} cases, most in {worst} ({long[worst]:.1f} times).",
            "Something interrupts the model: close other programs, or leave one core free by "
            "using fewer threads.",
        )
