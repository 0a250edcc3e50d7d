"""The pages that the server has: the dashboard's files, and the reference of its routes."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from importlib import resources
from typing import Any

from fastapi import Request, Response

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
STYLE = (
    ":root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;max-width:48rem;"
    "margin:2rem auto;padding:0 1rem}h2{margin-top:2.5rem;font-size:1.1rem}"
    "code,pre{font-family:ui-monospace,monospace;font-size:.9rem}pre{overflow:auto}"
    "td{padding:.1rem 1rem .1rem 0;vertical-align:top}"
)


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
    folder = resources.files("har_edge") / "dashboard"
    for entry in folder.iterdir() if folder.is_dir() else ():
        kind = KINDS.get("." + entry.name.rpartition(".")[2])
        if kind is not None and entry.is_file():
            found[entry.name] = Page(entry.read_bytes(), kind)
    return found


def reference_page(document: Mapping[str, Any]) -> Page:
    """Lay an OpenAPI document out as a page that needs no script and no other host."""
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; frame-ancestors 'none'"
    info = document["info"]
    parts = [
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(info["title"])}'
        '</title><meta name="viewport" content="width=device-width">'
        f"<style>{STYLE}</style><main><h1>{escape(info['title'])} {escape(info['version'])}</h1>"
        f"<p>{escape(info.get('description', ''))}"
        '<p>The same for machines: <a href="/openapi.json">openapi.json</a>',
    ]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            parts += _operation(path, method, operation)
    schemas = json.dumps(document["components"]["schemas"], indent=2)
    parts.append(f"<h2>Schemas</h2><pre>{escape(schemas)}</pre></main></html>")
    headers = {"Content-Security-Policy": policy}
    return Page("\n".join(parts).encode(), KINDS[".html"], headers)


def _operation(path: str, method: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield f"<h2><code>{method.upper()} {escape(path)}</code></h2>"
    yield f"<p>{escape(operation.get('description', ''))}<table>"
    for parameter in operation.get("parameters", ()):
        note = parameter.get("description", "")
        yield _row(
            f"{parameter['name']} ({parameter['in']})", note or json.dumps(parameter["schema"])
        )
    for kind in operation.get("requestBody", {}).get("content", {}):
        yield _row("body", kind)
    for status, answer in operation["responses"].items():
        kinds = ", ".join(answer.get("content", {}))
        yield _row(status, f"{answer['description']} {kinds}")
    yield "</table>"


def _row(name: str, note: str) -> str:
    return f"<tr><td><code>{escape(name)}</code><td>{escape(note)}</tr>"
