"""Markdown, CSV, page and plots say what the JSON says, and nothing else."""

from __future__ import annotations

import csv
import io
import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from har_benchmarks.render.cells import case_rows
from har_benchmarks.render.columns import COLUMNS
from har_benchmarks.render.html import to_html
from har_benchmarks.render.markdown import to_markdown
from har_benchmarks.render.plots import draw_all, rounds, warmup
from har_benchmarks.render.text import short_table, to_csv
from har_benchmarks.render.write import write_report
from har_benchmarks.results.document import Report, load_report
from har_benchmarks.results.table import Table
from har_benchmarks.results.text import megabytes, milliseconds, points
from tests.support.made_up import made_case, made_table
from tests.support.page_cells import cells_of

FILES = ("report.json", "report.md", "report.csv", "report.html")


def expected(report: Report) -> list[list[str]]:
    """All figures of each case, formatted here anew from the JSON."""
    rows = []
    for case in report["cases"]:
        s = case["summary"]
        times = [f"{s[f'{p}_ms']:.2f} ms" for p in ("p50", "p90", "p95", "p99", "min", "stdev")]
        rows.append(
            [
                case["variant"], case["backend"], str(case["num_threads"]), *times,
                f"{s['frames_per_second']:.1f}", f"{s['encode_p50_ms']:.2f} ms",
                f"{s['classify_p50_ms']:.2f} ms", f"{s['clip_p50_ms']:.2f} ms",
                f"{s['streaming_gain']:.1f}×", f"{s['load_ms']:.2f} ms", f"{s['first_ms']:.2f} ms",
                f"{s['peak_memory_bytes'] / 1e6:.1f} MB", f"{s['size_bytes'] / 1e6:.1f} MB",
                f"{s['end_to_end_p50_ms']:.2f} ms", f"{s['end_to_end_p95_ms']:.2f} ms",
                f"{s['end_to_end_frames_per_second']:.1f}",
            ]
        )  # fmt: skip
    return rows


@pytest.fixture(scope="module")
def written(tiny_report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("matplotlib")
    folder = tmp_path_factory.mktemp("written")
    write_report(tiny_report, Table.of(tiny_report), folder)
    return folder


def test_figures_are_those_of_the_samples(tiny_report: Report) -> None:
    for case in tiny_report["cases"]:
        steps = np.array([ms for r in case["rounds"] for ms in r["step_ms"]])
        assert len(steps) == 10
        summary = case["summary"]
        for name in (50, 90, 95, 99):
            assert summary[f"p{name}_ms"] == pytest.approx(np.percentile(steps, name), abs=1e-4)
        assert summary["frames_per_second"] == pytest.approx(1e3 / steps.mean(), rel=1e-4)
        assert summary["streaming_gain"] == pytest.approx(
            summary["clip_p50_ms"] / summary["p50_ms"],
            rel=1e-2,  # the tiny step has three digits
        )
        frames = sum(r["frames"] for r in case["end_to_end"])
        assert frames == 2 * 10
    assert tiny_report["sustained"]["samples"]


def test_the_json_is_whole_and_read_again(written: Path, tiny_report: Report) -> None:
    assert load_report(written) == json.loads(json.dumps(tiny_report))
    assert load_report(written / "report.json")["schema_version"] == 1
    text = (written / "report.json").read_text()
    assert "NaN" not in text
    assert "Infinity" not in text
    assert str(Path(__file__).parents[3]) not in text  # folders of this machine are not told


def test_markdown_equals_the_json(written: Path) -> None:
    report = load_report(written)
    lines = (written / "report.md").read_text().splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    for row in expected(report):
        assert row in cells
    for found in report["recommendations"]:
        assert any(found["sentence"] in line for line in lines)


def test_the_page_equals_the_json(written: Path) -> None:
    report = load_report(written)
    html = (written / "report.html").read_text()
    rows = cells_of(html).rows
    for row in expected(report):
        assert row in rows
    for problem in report["problems"]:
        assert problem["kind"]
        assert problem["detail"] in unescape(html)


def test_csv_equals_the_json_to_the_last_digit(written: Path) -> None:
    report = load_report(written)
    rows = list(csv.DictReader((written / "report.csv").open(encoding="utf-8", newline="")))
    assert len(rows) == len(report["cases"])
    for row, case in zip(rows, report["cases"], strict=True):
        assert row["key"] == case["key"]
        for key, value in case["summary"].items():
            assert float(row[key]) == value


def test_the_page_asks_for_nothing(written: Path) -> None:
    html = (written / "report.html").read_text()
    addresses = cells_of(html).addresses
    assert addresses
    assert all(address.startswith("data:image/svg+xml;base64,") for address in addresses)
    assert "default-src 'none'" in html
    assert not re.search(r"@import|url\(|<script|<link", html)
    assert 'name="viewport"' in html
    assert "prefers-color-scheme: dark" in html


def test_plots_are_pictures(written: Path) -> None:
    from PIL import Image

    names = {path.stem for path in written.glob("*.png")}
    plots = {"latency", "pareto", "memory", "threads", "warmup", "rounds", "sustained"}
    assert names == plots
    for name in plots:
        with Image.open(written / f"{name}.png") as picture:
            assert picture.width > 500
            assert np.asarray(picture.convert("L")).std() > 5  # not blank
    assert (written / "report.html").read_text().count("<img ") == len(plots)


def test_threads_are_told_apart_by_line_and_named() -> None:
    pytest.importorskip("matplotlib")
    cases = [made_case(threads=n, rounds_ms=[4.0 / n] * 10) for n in (1, 2)]
    for draw in (warmup, rounds):
        figure = draw(made_table(*cases))
        assert figure is not None
        names = [text.get_text() for text in figure.legends[0].get_texts()]
        assert names == ["int8", "1 thread", "2 threads"]
        drawn = [line for line in figure.axes[0].lines if len(line.get_xdata()) > 2]
        assert len({line.get_linestyle() for line in drawn}) == 2
    alone = warmup(made_table(cases[0]))
    assert [text.get_text() for text in alone.legends[0].get_texts()] == ["int8"]


def test_the_title_promises_no_accuracy_that_was_not_measured() -> None:
    pytest.importorskip("matplotlib")
    bare, judged = made_table(made_case()), made_table(made_case(accuracy=0.9))
    titles = [dict((n, t) for n, t, _ in draw_all(report)) for report in (bare, judged)]
    assert [title["pareto"] for title in titles] == ["Latency and size", "Accuracy, latency, size"]


def test_failed_cases_are_named_and_text_cannot_break_the_page() -> None:
    bad = {**made_case("float32"), "status": "failed", "reason": "<script>alert(1)</script> | x"}
    report = made_table(made_case(), bad)
    html = to_html(report, [])
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert [row[0] for row in cells_of(html).rows if "failed" in row] == [bad["key"]]
    assert f"- {bad['key']}: failed. <script>" in to_markdown(report)
    assert list(csv.DictReader(io.StringIO(to_csv(report))))[1]["status"] == "failed"


def test_accuracy_is_shown_with_its_interval() -> None:
    drop = {"drop_points": 0.5, "drop_low_points": -1.0, "drop_high_points": 2.5}
    report = made_table(made_case(accuracy=0.7689, top5_accuracy=0.99, agreement=0.988, **drop))
    head, (row,) = case_rows(report)
    found = dict(zip(head, row, strict=True))
    assert found["accuracy"] == "76.9%"
    assert found["as float32"] == "98.8%"
    assert found["change"] == "−0.5 (−2.5 to +1.0)"
    assert "−0.5 (−2.5 to +1.0)" in short_table(report)


def test_several_models_get_a_column() -> None:
    head, rows = case_rows(made_table(made_case(model="one"), made_case(model="two")))
    assert head[:2] == ["model", "variant"]
    assert [row[0] for row in rows] == ["one", "two"]


def test_operators_are_listed_or_the_reason_is() -> None:
    with_ops, without = made_case("onnx"), made_case("int8")
    ops = [{"signature": "encode", "op": "Conv", "nodes": 52, "ms": 3.5}]
    with_ops["profile"], without["profile"] = {"ops": ops}, {"ops": [], "reason": "none here"}
    report = made_table(with_ops, without)
    assert ["Conv", "encode", "52", "3.50 ms"] in cells_of(to_html(report, [])).rows
    assert "| Conv | encode | 52 | 3.50 ms |" in to_markdown(report)
    assert "none here" in to_markdown(report)


def test_a_runtime_without_a_profile_is_said_once(tiny_report: Report) -> None:
    assert to_markdown(Table.of(tiny_report)).count("litert has no per-operator profile") == 1


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (milliseconds(3.456), "3.46 ms"), (milliseconds(123.45), "123.5 ms"),
        (milliseconds(None), "–"), (megabytes(3_600_000), "3.6 MB"), (points(-0.04), "0.0 points"),
        (points(-0.5), "−0.5 points"), (points(1.25), "+1.2 points"),
    ],
)  # fmt: skip
def test_numbers_as_text(text: str, value: str) -> None:
    assert text == value


def test_every_figure_has_a_meaning() -> None:
    keys: list[Any] = [column.key for column in COLUMNS]
    assert len(set(keys)) == len(keys)
    assert all(column.meaning.endswith(".") for column in COLUMNS)
