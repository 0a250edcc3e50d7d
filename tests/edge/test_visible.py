"""Text from outside that would steer a terminal, turn a line around or be computed."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest

from har_edge.commands.harness import show, show_json
from har_edge.frames.frame import Frame
from har_edge.run import progress
from har_edge.run.progress import Progress
from har_edge.sinks.stream import JsonLinesWriter
from har_edge.table import text_table
from har_edge.testing import ScriptedSource, make_prediction
from har_edge.visible import spreadsheet_cell, visible, visible_json

HOSTILE = "a\x1b[2J\x9b31m\u202eb\u2066c\x7f"
STEERING = ("\x1b", "\x9b", "\u202e", "\u2066", "\x7f")


def harmless(text: str) -> bool:
    return not any(mark in text for mark in STEERING)


def test_text_is_spelled_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert visible(HOSTILE) == r"a\x1b[2J\x9b31m\u202eb\u2066c\x7f"
    assert visible("a\tb\nc") == r"a\tb\nc"
    assert visible("a\tb\nc", lines=True) == "a\tb\nc"
    show(f"{HOSTILE}\nsecond")
    out = capsys.readouterr().out
    assert harmless(out) and out.endswith("\nsecond\n")


def test_json_stays_the_same_document(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"action": HOSTILE, HOSTILE: ["gr\u00fcn", 1.5]}
    text = visible_json(json.dumps(value, ensure_ascii=False))
    assert harmless(text) and "gr\u00fcn" in text
    assert json.loads(text) == value
    show_json(value)
    out = capsys.readouterr().out
    assert harmless(out) and json.loads(out) == value


def test_lines_for_programs_steer_no_terminal() -> None:
    stream = io.StringIO()
    JsonLinesWriter(stream, 2).write(make_prediction({HOSTILE: 0.9, "b": 0.1}))
    assert harmless(stream.getvalue())
    assert json.loads(stream.getvalue())["action"] == HOSTILE


def test_tables_and_the_line_of_progress(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert harmless(text_table([[HOSTILE, 1]], ["label", HOSTILE]))
    monkeypatch.setattr(progress, "PROGRESS_INTERVAL_S", 0.0)
    frame = Frame(np.zeros((4, 4, 3), np.uint8), 0.0, 0, "a.mp4", 0.0)
    shown = Progress(ScriptedSource(), lambda: 1.0)
    shown.show(frame, make_prediction({HOSTILE: 0.9, "b": 0.1}))
    shown.clear()
    assert harmless(capsys.readouterr().err)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_text_is_a_formula(text: str) -> None:
    assert spreadsheet_cell(text) == f"'{text}"
    assert spreadsheet_cell("a" + text) == "a" + text


def test_numbers_stay_numbers() -> None:
    assert [spreadsheet_cell(v) for v in (-1.5, None, "", "-")] == [-1.5, None, "", "-"]
    line = io.StringIO()
    csv.writer(line).writerow([spreadsheet_cell(-1.5)])
    assert line.getvalue() == "-1.5\r\n"
