"""Reports as JSON."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from har_benchmarks.results.document import file_facts, load_report, to_json
from har_edge.errors import DataError


def test_json_keeps_every_value_and_lists_of_numbers_stay_on_a_line() -> None:
    facts: dict[str, object] = {
        "name": "a [ 1 ] b",
        "samples_ms": [1.5, -2.0, 3e-07],
        "rows": [{"words": ["a", "b"], "empty": [], "counts": [7]}],
    }
    text = to_json(facts)
    assert json.loads(text) == facts
    assert '"samples_ms": [1.5, -2.0, 3e-07]' in text
    assert '"counts": [7]' in text
    assert text.endswith("}\n")


def test_a_file_is_named_without_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(b"abc")
    assert file_facts(path) == {
        "file": "model.tflite",
        "size_bytes": 3,
        "sha256": hashlib.sha256(b"abc").hexdigest(),
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is not a report"),
        ("[1]", "is not a report"),
        ("{}", "is not a report"),
        ('{"schema_version": 99}', "should have schema version 1. Received 99"),
    ],
)
def test_what_is_no_report_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "report.json"
    path.write_text(content)
    with pytest.raises(DataError, match=message):
        load_report(path)
    with pytest.raises(DataError, match="There is no report"):
        load_report(tmp_path / "nothing.json")
