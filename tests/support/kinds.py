"""Which test is of which kind, and which kinds `pytest -m fast` and `-m anywhere` take.

Here and nowhere else: `tests/conftest.py` marks what is collected, noxfile.py and .ci/run name
the marks.
"""

from __future__ import annotations

from collections.abc import Collection
from fnmatch import fnmatchcase

# Marker → patterns of files below tests/, or of single tests in them (`file::test_name`).
KINDS: dict[str, tuple[str, ...]] = {
    "data": ("edge/model/test_held_out.py",),
    "browser": (
        "edge/server/test_dashboard.py",
        "edge/server/test_dashboard_people.py",
        "edge/server/test_dashboard_servers.py",
        "edge/server/test_dashboard_teaching.py",
    ),
    "server": (
        "edge/server/*",
        "edge/sinks/test_mqtt*",
        "edge/test_client.py",
        "fuzz/test_server.py",
        "benchmarks/experiments/test_serve_load.py",
        "benchmarks/experiments/test_serve_memory.py",
    ),
    "process": (
        "benchmarks/commands/*",
        "benchmarks/execute/*",
        "benchmarks/experiments/*",
        "benchmarks/peers/*",
        "benchmarks/render/test_report.py",
        "benchmarks/tasks/*",
        "docs/*",
        "benchmarks/results/test_compare.py::*real_runs",
        "benchmarks/results/test_table.py",
        "edge/commands/test_demo.py",
        "edge/commands/test_habits.py",
        "edge/commands/test_info.py",
        "edge/commands/test_main.py",
        "edge/commands/test_run.py",
        "edge/commands/test_teach.py",
        "edge/test_silence.py",
        "edge/run/test_stop_signals.py",
        "edge/sinks/test_stream.py::test_a_kill*",
        "edge/sinks/test_totals_file.py::test_a_kill*",
        "edge/sinks/test_totals_file.py::test_two_processes*",
        "edge/model/test_trial.py::test_a_crash*",
        "edge/sources/captures/test_pyav.py",
        "edge/sources/videos/test_corpus.py",
        "edge/sources/videos/test_pyav.py::test_frames_are_freed*",
        "edge/test_api.py::test_the_lines_of_the_tutorial",
        "edge/commands/test_harness.py",
        "test_kills.py",
        "test_two_at_once.py",
    ),
    "waits": (
        "edge/run/test_long_and_odd_days.py",
        "edge/run/test_runner.py",
        "edge/sinks/test_fan_out.py",
        "edge/sinks/test_webhook.py",
        "edge/sources/captures/test_http.py",
        "edge/sources/test_web_files.py::*silent*",
    ),
    "clock": (
        "edge/run/test_lanes.py",
        "edge/sources/live/*",
        "edge/test_chaos.py",
    ),
}
# What a test with one of these fixtures does, wherever it lies.
FIXTURES = {
    "har_edge": "process",
    "har_train": "process",
    "har_convert": "process",
    "small_disk": "process",
    "tiny_report": "process",
}
# Derived marker → kinds that it leaves out; slow tests and fuzz are in neither, nor are these
# folders and files.
SETS: dict[str, frozenset[str]] = {
    "fast": frozenset({"browser", "server", "process", "waits", "clock", "data"}),
    "anywhere": frozenset({"browser", "clock"}),
}
NEED_TENSORFLOW = ("train", "convert", "test_pipeline.py", "test_shared_data.py")


def kinds_of(test: str, fixtures: Collection[str], own: Collection[str] = ()) -> set[str]:
    """The markers of a test.

    Args:
        test: Its file, relative to tests/, and its name: `edge/test_table.py::test_columns`.
        fixtures: Names of all fixtures that it uses.
        own: Markers that it carries already.
    """
    file = test.partition("::")[0]
    kinds = {kind for kind, patterns in KINDS.items() for p in patterns if _fits(test, file, p)}
    kinds |= {kind for fixture, kind in FIXTURES.items() if fixture in fixtures}
    if file.partition("/")[0] in NEED_TENSORFLOW or {"slow", "fuzz", "train"} & {*own}:
        return kinds
    return kinds | {name for name, without in SETS.items() if not without & {*kinds, *own}}


def takes_none_of(name: str, file: str) -> bool:
    """Whether a set leaves out all tests of a file or folder, which then need not be imported.

    Args:
        name: Of the set.
        file: The file or folder, relative to tests/.
    """
    patterns = (p for kind in SETS[name] for p in KINDS[kind] if "::" not in p)
    return file in NEED_TENSORFLOW or any(fnmatchcase(file, pattern) for pattern in patterns)


def _fits(test: str, file: str, pattern: str) -> bool:
    return fnmatchcase(test if "::" in pattern else file, pattern)
