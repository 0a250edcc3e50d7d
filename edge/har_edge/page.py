"""The frame of our pages: one file, nothing loaded from anywhere, light and dark.

A page is a template `NAME.html.j2` in the folder `templates` of its package. It extends
`page.html.j2` and may use the macros of `parts.html.j2`; `NAME.css` beside it, where there is one,
is added to the style that all pages share. Values are escaped by Jinja2.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING

from har_edge.errors import MissingExtraError

if TYPE_CHECKING:
    import jinja2


def render_page(package: str, template: str, /, *, extra: str, **values: object) -> str:
    """Render a page.

    The policy in its head holds it to its word: the browser would refuse any request.

    Args:
        package: Where its template lies.
        template: Its name, without the ending.
        extra: What to install where Jinja2 is missing.
        **values: What the template shows.

    Raises:
        MissingExtraError: if Jinja2 is not installed.
    """
    if importlib.util.find_spec("jinja2") is None:
        raise MissingExtraError(extra, "jinja2")
    style = page_style(package, template)
    found = _environment(package).get_template(f"{template}.html.j2")
    return found.render(style=style, style_source=style_source(style), **values)


def page_style(package: str, template: str) -> str:
    """The style of a page: what all share, then its own."""
    return "\n".join([_read("har_edge", "page.css") or "", _read(package, f"{template}.css") or ""])


def style_source(style: str) -> str:
    """How a content policy names a style: by its checksum."""
    digest = hashlib.sha256(style.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def data_uri(content: bytes, kind: str) -> str:
    """Spell a file so that it can stand in a page.

    Args:
        content: The file.
        kind: Its media type.

    Example:
        >>> data_uri(b"GIF89a", "image/gif")
        'data:image/gif;base64,R0lGODlh'
    """
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


@lru_cache
def _environment(package: str) -> jinja2.Environment:
    """What compiles the templates of a package, each once."""
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: _read(package, name) or _read("har_edge", name)),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )


def _read(package: str, name: str) -> str | None:
    found = resources.files(package) / "templates" / name
    return found.read_text(encoding="utf-8") if found.is_file() else None
