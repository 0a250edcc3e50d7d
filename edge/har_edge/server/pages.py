"""The pages that the server has: the dashboard's files, and the reference of its routes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources

from fastapi import Request, Response

from har_edge.server.api_page import Node, reference_html

KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".webmanifest": "application/manifest+json",
    ".txt": "text/plain; charset=utf-8",
}
PLAIN_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>har-edge</title>
<h1>har-edge is running</h1>
<form action="/predict" method="post" enctype="multipart/form-data">
<p><label>Picture or clip <input type="file" name="file" required></label>
<p><button>What is the person doing?</button></form>
<p><a href="/docs">All routes</a></html>
"""


@dataclass(frozen=True)
class Page:
    """A file that browsers may keep for as long as its content stays the same."""

    content: bytes
    kind: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self, request: Request) -> Response:
        """Send it, or 304 if the browser has it."""
        tag = f'"{hashlib.sha256(self.content).hexdigest()[:32]}"'
        headers = {"ETag": tag, "Cache-Control": "no-cache", "Vary": "Accept", **self.headers}
        known = [item.strip() for item in request.headers.get("if-none-match", "").split(",")]
        if tag in known or f"W/{tag}" in known:
            return Response(status_code=304, headers=headers)
        return Response(self.content, headers={**headers, "Content-Type": self.kind})


def dashboard_files() -> dict[str, Page]:
    """Read the dashboard's files; a plain page stands in for one that is missing."""
    found = {"index.html": Page(PLAIN_PAGE.encode(), KINDS[".html"])}
    folder = resources.files("har_edge.server") / "dashboard"
    for entry in folder.iterdir() if folder.is_dir() else ():
        kind = KINDS.get("." + entry.name.rpartition(".")[2])
        if kind is not None and entry.is_file():
            found[entry.name] = Page(entry.read_bytes(), kind)
    return found


def reference_page(document: Node, address: str) -> Page:
    """Lay an OpenAPI document out as a page that needs no script and no other host."""
    html, policy = reference_html(document, address)
    return Page(html.encode(), KINDS[".html"], {"Content-Security-Policy": policy})
