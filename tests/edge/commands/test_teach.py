"""`har-edge teach` counts the seconds that it records, and finds the model of an action."""

from __future__ import annotations

from pathlib import Path

import pytest

from har_edge.commands import teach as module
from har_edge.commands.teach import _Seconds
from har_edge.paths import sample_path
from har_edge.sources.open import open_source
from tests.conftest import RunCommand


def test_seconds_are_counted_for_each_source(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[tuple[int, str, list[int]]] = []

    class Counting:
        def __init__(self, total: int, title: str, unit: str) -> None:
            self.done: list[int] = []
            counted.append((total, unit, self.done))

        def __call__(self, done: int) -> None:
            self.done.append(done)

        def close(self) -> None:
            pass

    monkeypatch.setattr(module, "Progress", Counting)
    seconds = _Seconds(10.0)
    clip, picture = (open_source(sample_path(name)) for name in ("falling.mp4", "lying.jpg"))
    for time_s in (0.0, 0.5, 1.1, 1.2, 3.0):
        seconds(clip, time_s)
    seconds(picture, 0.0)
    assert counted[0] == (4, "second", [1, 2])  # the clip ends before ten seconds
    assert counted[1][0] == 10


def test_actions_stay_with_the_model_that_a_run_takes(
    har_edge: RunCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    clip = str(sample_path("falling.mp4"))
    taught = har_edge("teach", "tumbling", clip)
    assert taught.returncode == 0, taught.stderr
    assert "Model clips, for videos" in taught.stderr
    assert "Taught to clips:" in har_edge("teach", "--list").stderr
    other = har_edge("teach", "--list", "-m", "har15")
    assert (other.stdout, "har15 has not been taught" in other.stderr) == ("", True)
    # A file of taught actions names its model.
    named = har_edge("teach", "tumbling", clip, "--taught", "mine.npz", "-m", "har15")
    assert named.returncode == 0, named.stderr
    assert har_edge("teach", "--list", "--taught", "mine.npz").stdout.startswith("tumbling\t")
    run = har_edge("run", clip, "--taught", "mine.npz")
    assert run.returncode == 0, run.stderr
    assert "Model clips" not in run.stderr
