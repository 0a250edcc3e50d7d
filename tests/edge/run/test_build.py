"""A run from its settings, as a Python program makes one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from har_edge.config import DecideConfig, RunConfig, RunLimits, SinkConfig, SourceConfig
from har_edge.errors import OutputError, SpecError
from har_edge.model.loaded import load_model
from har_edge.recognition.motion import MotionGate
from har_edge.recognition.taught import Background, Taught
from har_edge.recognition.taught_file import described_size, model_checksum, write_taught
from har_edge.run.build import build_run, run
from tests.conftest import ASSETS, MakeVideo, RunCommand

TINY = ASSETS / "tiny-int8.tflite"

# A run from Python, in an interpreter that has no click.
WITHOUT_CLICK = """
import sys
sys.modules["click"] = None
from har_edge.config import RunConfig, RunLimits, SinkConfig, SourceConfig
from har_edge.run.build import run

video, model, output = sys.argv[1:]
result = run(
    RunConfig(
        model=model,
        source=SourceConfig(names=(video,)),
        sink=SinkConfig(output=output, output_format="jsonl", top_k=2),
        limits=RunLimits(max_frames=6),
    )
)
print(result.exit_code, result.summary.frames)
"""


def test_a_run_needs_no_command_line(
    har_edge: RunCommand, make_video: MakeVideo, tmp_path: Path
) -> None:
    video, output = make_video(), tmp_path / "python.jsonl"
    said = subprocess.run(
        [sys.executable, "-c", WITHOUT_CLICK, str(video), str(TINY), str(output)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout == "0 6\n"
    assert said.stderr == ""
    command = har_edge(
        *("run", video, "--model", TINY, "--output-format", "jsonl"),
        *("--top-k", "2", "--max-frames", "6"),
    )
    assert untimed(output.read_text()) == untimed(command.stdout) != []


def untimed(lines: str) -> list[dict[str, object]]:
    """Records without what differs from run to run."""
    records = [json.loads(line) for line in lines.splitlines()]
    return [{k: v for k, v in r.items() if not k.endswith("_ms")} for r in records]


def test_settings_arrive(make_video: MakeVideo, tmp_path: Path) -> None:
    video = make_video()
    config = RunConfig(
        model=TINY,
        num_threads=3,
        inference_hz=2.0,
        motion_gate=True,
        limits=RunLimits(duration_s=1.0),
        source=SourceConfig(names=(str(video),), watch=(str(tmp_path),)),
        decide=DecideConfig(smoothing_s=0.25, score_threshold=0.5, min_duration_s=2.0),
        sink=SinkConfig(output=tmp_path / "out.txt", totals=tmp_path / "totals.db"),
    )
    built = build_run(config, pytest.fail)
    built.sinks.close()
    assert [opener.name for opener in built.openers] == [str(video)]
    assert built.follow is not None and built.viewer is None
    assert built.sinks.totals is not None
    made = built.run
    assert (made.new_gate, made.num_workers) == (MotionGate, 1)  # a gate encodes in turns
    assert (made.inference_hz, made.limits) == (2.0, config.limits)
    decider = made.new_decider()
    assert (decider.smoothing_s, decider.threshold) == (0.25, 0.5)
    assert made.tracker.min_duration_s == 2.0


def test_what_was_taught_is_said_at_the_start(make_video: MakeVideo, tmp_path: Path) -> None:
    model, path = load_model(TINY), tmp_path / "taught.npz"
    random = np.random.default_rng(0)
    size = described_size(model)
    taught = Taught(model_checksum(model), Background.of(random.random((40, size), np.float32)))
    for name in ("nothing", "waving", "jumping"):
        taught = taught.with_action(name, random.random((4, size), np.float32))
    write_taught(model, taught, path)

    def said(taught_file: Path | None) -> list[str]:
        notes: list[str] = []
        source = SourceConfig(names=(str(make_video()),))
        config = RunConfig(model=TINY, taught=taught_file, source=source)
        build_run(config, notes.append).sinks.close()
        return notes

    assert said(path) == ["tiny also recognises 2 taught actions: waving, jumping."]
    assert said(None) == []


def test_files_are_encoded_beside_each_other(make_video: MakeVideo, tmp_path: Path) -> None:
    sink = SinkConfig(output=tmp_path / "out.txt")
    source = SourceConfig(names=(str(make_video()),))
    built = build_run(RunConfig(model=TINY, num_threads=3, source=source, sink=sink), pytest.fail)
    built.sinks.close()
    assert built.run.num_workers == 3


def test_totals_are_handed_on(make_video: MakeVideo, tmp_path: Path) -> None:
    source = SourceConfig(names=(str(make_video()),))
    sink = SinkConfig(output=tmp_path / "out.txt", totals=tmp_path / "totals.db")
    result = run(RunConfig(model=TINY, source=source, sink=sink))
    assert result.totals is not None and result.totals.days() == {}


def test_lists_are_refused_before_anything_is_opened(tmp_path: Path) -> None:
    output = tmp_path / "out.txt"
    with pytest.raises(SpecError, match="flying"):
        run(
            RunConfig(
                model=TINY,
                source=SourceConfig(demo=True),
                decide=DecideConfig(allow=("flying",)),
                sink=SinkConfig(output=output),
            )
        )
    assert not output.exists()


def test_sources_are_not_written_over(make_video: MakeVideo, tmp_path: Path) -> None:
    video = make_video()
    source = SourceConfig(names=(str(video),), watch=(str(tmp_path),))
    for sink, option in (
        (SinkConfig(output=video), "--output"),
        (SinkConfig(save_video=tmp_path / "out.mp4"), "--save-video"),
        (SinkConfig(save_events=tmp_path / "clips"), "--save-events"),
    ):
        with pytest.raises(OutputError, match=option):
            run(RunConfig(model=TINY, source=source, sink=sink))
