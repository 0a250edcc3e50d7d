"""Which test is of which kind, and which kinds `pytest -m fast` and `-m portable` take.

Here and nowhere else: `tests/conftest.py` marks what is collected, noxfile.py and .ci/run name
the marks.
"""

from __future__ import annotations

from collections.abc import Collection
from fnmatch import fnmatch

# Marker → patterns of paths below tests/. A test is of every kind that one of its names has.
KINDS: dict[str, tuple[str, ...]] = {
    "browser": ("edge/server/test_dashboard.py",),
    "server": (
        "edge/server/*",
        "edge/sinks/test_mqtt.py",
        "edge/test_client.py",
        "benchmarks/experiments/test_serve_load.py",
    ),
    "process": (
        "benchmarks/commands/*",
        "benchmarks/execute/*",
        "benchmarks/experiments/*",
        "benchmarks/peers/*",
        "benchmarks/tasks/*",
        "edge/commands/test_main.py",
        "edge/run/test_stop_signals.py",
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
# Derived marker → kinds that it leaves out, beside `slow` ones and these folders and files.
SETS: dict[str, frozenset[str]] = {
    "fast": frozenset({"browser", "server", "process", "clock", "data"}),
    "portable": frozenset({"browser", "clock"}),
}
NEED_TENSORFLOW = ("train", "convert", "test_pipeline.py", "test_shared_data.py")


def kinds_of(path: str, fixtures: Collection[str], own: Collection[str] = ()) -> set[str]:
    """The markers of a test.

    Args:
        path: Its file, relative to tests/.
        fixtures: Names of all fixtures that it uses.
        own: Markers that it carries already.
    """
    kinds = {kind for kind, patterns in KINDS.items() if any(fnmatch(path, p) for p in patterns)}
    kinds |= {kind for fixture, kind in FIXTURES.items() if fixture in fixtures}
    if path.partition("/")[0] in NEED_TENSORFLOW or {"slow", "train"} & {*own}:
        return kinds
    return kinds | {name for name, without in SETS.items() if not without & {*kinds, *own}}
