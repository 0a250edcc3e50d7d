"""The docs site: built as it is published, it loads nothing from other hosts and its links hold."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.support.pages import ROOT

LOADED = re.compile(r"<(?:script|img|iframe|source|video)\b[^>]*?\bsrc=\"?([^\"\s>]+)")
LINKED = re.compile(r"<link\b[^>]*?\bhref=\"?([^\"\s>]+)")
ANCHORED = re.compile(r"<a\b[^>]*?\bhref=\"?([^\"\s>]+)")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site; `HAR_SITE` names one that is built already."""
    if ready := os.environ.get("HAR_SITE"):
        return ROOT / ready
    for module in ("mkdocs", "material", "mkdocstrings"):
        pytest.importorskip(module, reason="the docs extra is not installed")
    folder = tmp_path_factory.mktemp("site")
    result = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-d", str(folder)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return folder


def test_nothing_is_loaded_from_other_hosts(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 25
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for address in [*LOADED.findall(text), *LINKED.findall(text)]:
            assert not urlsplit(address).netloc, f"{page.name}: {address}"
    for style in site.rglob("*.css"):
        text = style.read_text(encoding="utf-8")
        assert not re.search(r"@import|url\([\"']?(?:https?:)?//", text), style.name


def test_links_lead_to_pages_of_the_site(site: Path) -> None:
    seen = 0
    for page in site.rglob("*.html"):
        if page.name == "404.html":
            continue
        for address in ANCHORED.findall(page.read_text(encoding="utf-8")):
            parts = urlsplit(address)
            if parts.scheme or parts.netloc or not parts.path:
                continue
            target = (page.parent / unquote(parts.path)).resolve()
            target = target / "index.html" if target.is_dir() else target
            assert target.is_file(), f"{page.relative_to(site)}: {address}"
            seen += 1
    assert seen > 200


def test_every_command_has_its_reference(site: Path) -> None:
    from har_edge.commands.main import COMMANDS

    text = (site / "reference" / "har-edge" / "index.html").read_text(encoding="utf-8")
    for command in COMMANDS:
        assert f"har-edge {command}" in text
    assert "--score-threshold" in text and "--min-duration" in text
    assert "classify" in (site / "reference" / "python" / "index.html").read_text(encoding="utf-8")
