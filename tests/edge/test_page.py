"""The frame of pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from har_edge.errors import MissingExtraError
from har_edge.page import page_style, render_page, style_source


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    pytest.importorskip("jinja2")
    templates = tmp_path / "paged" / "templates"
    templates.mkdir(parents=True)
    (tmp_path / "paged" / "__init__.py").touch()
    (templates / "own.html.j2").write_text(
        '{% extends "page.html.j2" %}{% from "parts.html.j2" import figures %}'
        "{% block title %}{{ title }}{% endblock %}"
        "{% block content %}{{ figures(head, rows, best=best) }}{% endblock %}",
        encoding="utf-8",
    )
    (templates / "own.css").write_text(".own { color: red; }", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    return "paged"


def test_page_escapes_what_it_shows(package: str) -> None:
    page = render_page(package, "own", extra="bench", title="<b>&", head=["<i>"], rows=[["'<u>'"]],
                       best=[True])  # fmt: skip
    assert "<title>&lt;b&gt;&amp;</title>" in page
    assert '<th class="name">&lt;i&gt;</th>' in page
    assert '<tr class="best"><td class="name">&#39;&lt;u&gt;&#39;</td></tr>' in page


def test_policy_admits_the_style_and_nothing_else(package: str) -> None:
    page = render_page(package, "own", extra="bench", title="", head=[], rows=[], best=[])
    (style,) = re.findall("<style>(.*?)</style>", page, re.DOTALL)
    assert style == page_style(package, "own")
    assert ".own { color: red; }" in style
    assert f"style-src {style_source(style)}" in page
    assert "default-src 'none'; img-src data:" in page
    assert 'name="viewport"' in page


def test_missing_jinja2(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"har-edge\[bench\]"):
        render_page(package, "own", extra="bench")


def test_templates_are_in_the_wheel() -> None:
    root = Path(__file__).parents[2]
    config = (root / "setup.cfg").read_text(encoding="utf-8")
    for folder in root.glob("*/har_*/**/templates"):
        package, _, rest = folder.relative_to(root).as_posix().partition("/")[2].partition("/")
        assert re.search(rf"^{package} = .*\b{rest}/\*", config, re.MULTILINE), folder
