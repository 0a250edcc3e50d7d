"""Rows of text for the tables, the same in Markdown, on the page and on a terminal."""

from __future__ import annotations

from har_benchmarks.render.columns import columns_of
from har_benchmarks.results.document import MachineRecord, PeersRecord
from har_benchmarks.results.table import CaseRow, Table
from har_benchmarks.results.text import NONE, interval, megabytes, milliseconds, percent

PEER_COLUMNS = ("what", "does", "p50", "p95", "frames/s", "first answer", "memory", "as har-edge",
                "version")  # fmt: skip
MOST_OPS = 8
PROFILE_COLUMNS = ("operator", "signature", "nodes", "time")


def case_rows(report: Table, keys: tuple[str, ...] = ()) -> tuple[list[str], list[list[str]]]:
    """Headings and cells of the measured cases; first variant, runtime and threads."""
    columns = columns_of(report.rows, keys)
    several = len({row.model for row in report.rows}) > 1
    head = [*(["model"] if several else []), "variant", "runtime", "threads"]
    rows = []
    for row in report.rows:
        figures = row.figures
        cells = [column.cell(figures) for column in columns]
        for i, column in enumerate(columns):
            if column.key == "drop_points":
                ends = interval(figures.drop_low_points, figures.drop_high_points)
                cells[i] += f" ({ends})" if ends else ""
        name = [*([row.model] if several else []), row.variant, row.backend]
        rows.append([*name, str(row.num_threads), *cells])
    return [*head, *(column.title for column in columns)], rows


def machine_line(machine: MachineRecord) -> str:
    """Name a machine and the day in one line."""
    name = machine.get("board") or machine.get("cpu") or machine.get("architecture")
    cores = machine.get("cores_usable") or machine.get("cores")
    return f"{name}, {cores} cores, {machine.get('os') or 'unknown system'}, {day(machine)}"


def day(machine: MachineRecord) -> str:
    """The day on which a run began."""
    return str(machine.get("date", ""))[:10]


def machine_rows(machine: MachineRecord) -> list[tuple[str, str]]:
    """What a report says about its machine, for people."""
    throttling = machine.get("throttling")
    slowed = throttling["since_start"] if throttling else []
    memory = machine.get("memory_bytes")
    facts = {
        "board": machine.get("board"),
        "processor": machine.get("cpu"),
        "architecture": machine.get("architecture"),
        "cores": machine.get("cores_usable"),
        "memory": f"{memory / 2**30:.1f} GiB" if memory else None,
        "governor": machine.get("governor"),
        "frequency": _unit(machine.get("frequency_mhz"), "MHz"),
        "temperature": _unit(machine.get("temperature_c"), "°C"),
        "throttling since start": ", ".join(slowed) or None,
        "load average": machine.get("load_1min"),
        "system": machine.get("os"),
        "kernel": machine.get("kernel"),
        "Python": machine.get("python"),
        "packages": ", ".join(f"{k} {v}" for k, v in machine.get("packages", {}).items()),
        "revision": machine.get("git_revision"),
        "date": machine.get("date"),
    }
    return [(k, NONE if v is None or v == "" else str(v)) for k, v in facts.items()]


def _unit(value: float | None, unit: str) -> str | None:
    return None if value is None else f"{value:g} {unit}"


def peers_about(peers: PeersRecord) -> str:
    """What the peers were run on, in two sentences."""
    cores = "one core" if peers["num_threads"] == 1 else f"{peers['num_threads']} cores"
    return (
        f"All on the same {peers['frames']} frames of {peers['video']} ({peers['width']} × "
        f"{peers['height']}), in turns, each limited to {cores}. The time of a frame runs from "
        "its decoded pixels to the peer's result; the frames that fill the first window are "
        "left out."
    )


def peer_rows(peers: PeersRecord) -> list[list[str]]:
    """Cells of the peers that ran, the fastest first."""
    ran = [p for p in peers["peers"] if p["status"] == "ok"]
    ran.sort(key=lambda p: p["summary"]["p50_ms"])
    return [
        [
            p["name"],
            p["does"],
            milliseconds(p["summary"]["p50_ms"]),
            milliseconds(p["summary"]["p95_ms"]),
            f"{p['summary']['frames_per_second']:.1f}",
            milliseconds(p["summary"]["start_ms"]),
            megabytes(p["summary"]["peak_memory_bytes"]),
            percent(p["summary"]["same_answers"]),
            p["version"],
        ]
        for p in ran
    ]


def profile_rows(case: CaseRow) -> list[list[str]]:
    """Cells of the operators of a case that cost most."""
    return [
        [op["op"], op["signature"], str(op["nodes"]), milliseconds(op["ms"])]
        for op in case.ops[:MOST_OPS]
    ]


def missing_profiles(report: Table) -> list[str]:
    """Why some cases have no profile, each reason once."""
    return list(dict.fromkeys(case.no_profile for case in report.cases if case.no_profile))
