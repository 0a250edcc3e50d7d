"""Take along what pages link to outside of docs/: the site has no other place to send readers to.

A page (`.md`) becomes a page of the site, whose own links are followed; anything else is copied.
Links to folders and to what is not in the repository are refused, as `mkdocs build --strict` does
with all other broken ones.
"""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path
from urllib.parse import unquote

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PLACE = "repository"
LINK = re.compile(r"(\]\()(<?)([^)\s>#]+)((?:#[^)\s>]*)?>?[^)]*\))")
log = logging.getLogger("mkdocs.plugins.repository")


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add what is linked to, and what that links to."""
    waiting = [DOCS / f.src_uri for f in files.documentation_pages() if f.abs_src_path]
    seen = set[Path]()
    while waiting:
        page = waiting.pop()
        for target in _outside(page):
            if target in seen or not target.is_file():
                continue
            seen.add(target)
            uri = f"{PLACE}/{target.relative_to(ROOT).as_posix()}"
            uri = uri.replace("README.md", "index.md")
            files.append(File.generated(config, uri, abs_src_path=str(target)))
            if target.suffix == ".md":
                waiting.append(target)
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point links out of docs/ to what was taken along, and those back into docs/ to its pages."""
    source = _source_of(page)
    if source is None:
        return markdown

    def point(found: re.Match[str]) -> str:
        target = _resolve(source, found[3])
        if target is None:
            return found[0]
        if target.is_relative_to(DOCS):
            uri = target.relative_to(DOCS).as_posix()
        else:
            uri = f"{PLACE}/{target.relative_to(ROOT).as_posix()}".replace("README.md", "index.md")
        if files.get_file_from_path(uri) is None:
            if not target.exists():
                log.warning("%s links to %s, which is not there", page.file.src_uri, found[3])
            return f"{found[1]}#)" if not target.is_dir() else _unlink(found)
        here = Path(page.file.src_uri).parent
        return f"{found[1]}{found[2]}{os.path.relpath(uri, here)}{found[4]}"

    return LINK.sub(point, markdown)


def _unlink(found: re.Match[str]) -> str:
    """A folder cannot be shown: its name stays as a link to the top of the page."""
    return f"{found[1]}#)"


def _source_of(page: Page) -> Path | None:
    path = page.file.abs_src_path
    return Path(path) if path else None


def _outside(page: Path) -> list[Path]:
    """Files outside of docs/ that a page links to."""
    if page.suffix != ".md" or not page.is_file():
        return []
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
    targets = (_resolve(page, found[3]) for found in LINK.finditer(text))
    return [t for t in targets if t is not None and not t.is_relative_to(DOCS)]


def _resolve(page: Path, link: str) -> Path | None:
    """The file of the repository that a relative link names; None for any other link."""
    if re.match(r"[a-z][a-z0-9+.-]*:|/", link):
        return None
    target = (page.parent / unquote(link)).resolve()
    return target if target.is_relative_to(ROOT) else None
