"""A report as Markdown and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from har_benchmarks.results.results import Report, measured
from har_benchmarks.results.text import (
    NONE,
    SHORT,
    columns_of,
    interval,
    megabytes,
    milliseconds,
    percent,
)

PEER_COLUMNS = ("what", "does", "p50", "p95", "frames/s", "first answer", "memory", "as har-edge",
                "version")  # fmt: skip
MOST_OPS = 8
PROFILE_COLUMNS = ("operator", "signature", "nodes", "time")


def to_markdown(report: Report) -> str:
    """Lay a report out in Markdown: recommendation, table, what to mind, machine."""
    parts = [
        "# Benchmark",
        machine_line(report["machine"]),
        *(f"**{r['model']}:** {r['sentence']}" for r in report.get("recommendations", ())),
        _case_table(report),
        *_unmeasured(report),
        *_problems(report),
        *peers_section(report),
        *_profiles(report),
        _machine(report["machine"]),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def machine_line(machine: Mapping[str, Any]) -> str:
    """Name a machine and the day in one line."""
    name = machine.get("board") or machine.get("cpu") or machine.get("architecture")
    cores = machine.get("cores_usable") or machine.get("cores")
    return f"{name}, {cores} cores, {machine.get('os') or 'unknown system'}, {_day(machine)}"


def _day(machine: Mapping[str, Any]) -> str:
    return str(machine.get("date", ""))[:10]


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> str:
    """A Markdown table whose first columns are aligned left, the others right."""
    rule = ["---"] * left + ["---:"] * (len(head) - left)
    lines = [head, rule, *rows]
    return "\n".join(f"| {' | '.join(map(_escape, line))} |" for line in lines)


def _escape(text: str) -> str:
    return text.replace("|", "\\|")


def case_rows(report: Report, keys: tuple[str, ...] = ()) -> tuple[list[str], list[list[str]]]:
    """Headings and cells of the measured cases; first variant, runtime and threads."""
    cases = measured(report)
    columns = columns_of([case["summary"] for case in cases], keys)
    several = len({case["model"] for case in cases}) > 1
    head = [*(["model"] if several else []), "variant", "runtime", "threads"]
    rows = []
    for case in cases:
        cells = [column.cell(case["summary"]) for column in columns]
        for i, column in enumerate(columns):
            if column.key == "drop_points":
                summary = case["summary"]
                ends = interval(summary.get("drop_low_points"), summary.get("drop_high_points"))
                cells[i] += f" ({ends})" if ends else ""
        name = [*([case["model"]] if several else []), case["variant"], case["backend"]]
        rows.append([*name, str(case["num_threads"]), *cells])
    return [*head, *(column.title for column in columns)], rows


def _case_table(report: Report) -> str:
    head, rows = case_rows(report)
    return table(head, rows, left=2) if rows else ""


def short_table(report: Report) -> str:
    """The table with the figures that decide."""
    head, rows = case_rows(report, SHORT)
    return table(head, rows, left=2)


def _unmeasured(report: Report) -> list[str]:
    lines = [
        f"- {case['key']}: {case['status']}. {case['reason']}"
        for case in report["cases"]
        if case["status"] != "ok"
    ]
    lines += [
        f"- {case['key']}: accuracy not measured. {case['accuracy_reason']}"
        for case in report["cases"]
        if "accuracy_reason" in case
    ]
    return ["## Not measured", "\n".join(lines)] if lines else []


def _problems(report: Report) -> list[str]:
    lines = [f"- {p['detail']} {p['advice']}" for p in report.get("problems", ())]
    return ["## How far to trust the figures", "\n".join(lines)] if lines else []


def peers_section(report: Report) -> list[str]:
    """The table of the peers, if any were run."""
    peers = report.get("peers")
    if not peers:
        return []
    skipped = [f"- {p['name']}: {p['reason']}" for p in peers["peers"] if p["status"] != "ok"]
    return [
        "## Peers",
        peers_about(peers),
        table(PEER_COLUMNS, peer_rows(peers), left=2),
        "\n".join(skipped),
    ]


def peers_about(peers: Mapping[str, Any]) -> str:
    """What the peers were run on, in two sentences."""
    cores = "one core" if peers["num_threads"] == 1 else f"{peers['num_threads']} cores"
    return (
        f"All on the same {peers['frames']} frames of {peers['video']} "
        f"({peers['width']} × {peers['height']}), in turns, each held to {cores}. A frame's time "
        "goes from decoded pixels to what the peer gives; the frames that fill the first window "
        "are left out."
    )


def peer_rows(peers: Mapping[str, Any]) -> list[list[str]]:
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


def profile_rows(case: Mapping[str, Any]) -> list[list[str]]:
    """Cells of the operators of a case that cost most."""
    ops = (case.get("profile") or {}).get("ops", ())
    return [
        [op["op"], op["signature"], str(op["nodes"]), milliseconds(op["ms"])]
        for op in sorted(ops, key=lambda op: -op["ms"])[:MOST_OPS]
    ]


def missing_profiles(report: Report) -> list[str]:
    """Why some cases have no profile, each reason once."""
    profiles = [case["profile"] for case in report["cases"] if case.get("profile")]
    return list(dict.fromkeys(p["reason"] for p in profiles if not p["ops"]))


def _profiles(report: Report) -> list[str]:
    parts = []
    for case in report["cases"]:
        if rows := profile_rows(case):
            parts += [f"## Operators of {case['key']}", table(PROFILE_COLUMNS, rows, left=2)]
    return parts + missing_profiles(report)


def machine_rows(machine: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a report says of its machine, for people."""
    throttling = machine.get("throttling") or {}
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
        "throttling since start": ", ".join(throttling.get("since_start", ())) or None,
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


def _machine(machine: Mapping[str, Any]) -> str:
    rows = [list(row) for row in machine_rows(machine)]
    return "## Machine\n\n" + table(("", "when the run began"), rows, left=2)


def to_csv(report: Report) -> str:
    """One row a case with every figure of its summary, unrounded."""
    keys = dict.fromkeys(key for case in report["cases"] for key in case["summary"])
    about = ("key", "model", "variant", "backend", "backend_version", "num_threads", "file",
             "sha256", "status", "reason")  # fmt: skip
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*about, *keys])
    for case in report["cases"]:
        figures = [case["summary"].get(key) for key in keys]
        writer.writerow([*(case[key] for key in about), *figures])
    return stream.getvalue()
