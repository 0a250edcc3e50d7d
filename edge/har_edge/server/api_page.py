"""The OpenAPI document as a page for people: no script, no other host, nothing left out."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shlex
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

STYLE = (
    ":root{color-scheme:light dark;--line:color-mix(in srgb,currentColor 18%,transparent)}"
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem}"
    "h2{margin-top:3rem}section{border-top:1px solid var(--line);margin-top:2rem}"
    "code,pre{font-family:ui-monospace,monospace;font-size:.875rem;overflow-wrap:break-word}"
    "h3{font-size:1.2rem}h3 code{font-size:inherit}"
    "pre{white-space:pre-wrap;padding:.6rem .8rem;border:1px solid var(--line);"
    "border-radius:.4rem}"
    ".wide{overflow-x:auto}table{border-collapse:collapse;width:100%}"
    "caption{text-align:left;font-weight:600;padding-top:.6rem}"
    "th,td{text-align:left;vertical-align:top;padding:.25rem 1rem .25rem 0;"
    "font-weight:inherit}tr{border-bottom:1px solid var(--line)}"
    "nav ul{columns:2 16rem;padding:0;list-style:none}"
    # On a phone, a row's cells stand below each other.
    "@media(max-width:40rem){caption,tbody,tr,th,td{display:block}"
    "th,td:not(:last-child){padding-bottom:0}td:empty{display:none}}"
)
# A query that shows more than the default, where there is one.
QUERIES = {"/predict": "?top_k=3", "/events": "?last=10"}


def reference_html(document: Mapping[str, Any], address: str) -> tuple[str, str]:
    """Lay an OpenAPI document out.

    Args:
        document: What to lay out.
        address: Where the reader reaches the server, such as `http://127.0.0.1:8000`.

    Returns:
        The page, and its content policy.
    """
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; frame-ancestors 'none'"
    info = document["info"]
    routes = [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    parts = [
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(info["title"])}: '
        'its API</title><meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{STYLE}</style><main><h1>{escape(info['title'])} {escape(info['version'])}</h1>"
        f"<p>{_prose(info.get('description', ''))} "
        '<p>The same for machines: <a href="/openapi.json">openapi.json</a>.<nav><ul>',
        *(
            f'<li><a href="#{_anchor(path, method)}"><code>{method.upper()} {escape(path)}'
            "</code></a>"
            for path, method, _ in routes
        ),
        '<li><a href="#schemas">Schemas</a></ul></nav>',
    ]
    for path, method, operation in routes:
        parts += _operation(path, method, operation, address)
    parts.append('<h2 id="schemas">Schemas</h2>')
    for name, schema in sorted(document["components"]["schemas"].items()):
        parts += _schema(name, schema)
    return "\n".join(parts) + "</main></html>", policy


def _operation(path: str, method: str, operation: Mapping[str, Any], address: str) -> Iterator[str]:
    title = f"<code>{method.upper()} {escape(path)}</code>"
    yield f'<section><h3 id="{_anchor(path, method)}">{title}</h3>'
    yield f"<p>{_prose(operation.get('description', ''))}"
    yield f"<pre>{escape(_curl(path, method, operation, address))}</pre>"
    bodies = operation.get("requestBody", {}).get("content", {})
    asked = [
        (
            f"{p['name']} ({p['in']}{', required' if p.get('required') else ''})",
            _kind(p["schema"]),
            p.get("description", ""),
        )
        for p in operation.get("parameters", ())
    ] + [("body", f"{escape(kind)}: {_kind(body['schema'])}", "") for kind, body in bodies.items()]
    if asked:
        yield from _table("Takes", asked)
    answers = {status: _answer(answer) for status, answer in operation["responses"].items()}
    yield from _table(
        "Gives", ((status, *answer) for status, answer in answers.items() if status < "400")
    )
    # Problems look alike; what they are about is said by their numbers, and their own text.
    problems = [status for status in answers if status >= "400"]
    if problems:
        yield f"<p>Errors: {', '.join(problems)}, as {answers[problems[0]][0]}."
    yield "</section>"


def _answer(answer: Mapping[str, Any]) -> tuple[str, str]:
    kinds = (
        f"{escape(kind)}{': ' + _kind(body['schema']) if body.get('schema') else ''}"
        for kind, body in answer.get("content", {}).items()
    )
    return "<br>".join(kinds), answer["description"].replace("Successful Response", "Done")


def _curl(path: str, method: str, operation: Mapping[str, Any], address: str) -> str:
    flags = "" if method == "get" else f" -X {method.upper()}"
    bodies = operation.get("requestBody", {}).get("content", {})
    if "multipart/form-data" in bodies:
        flags = " -F file=@photo.jpg"
    elif "application/json" in bodies:
        flags = ' --json \'{"token": "…"}\''
    elif any("text/event-stream" in a.get("content", {}) for a in operation["responses"].values()):
        flags = " -N"
    if operation.get("security"):
        flags += ' -H "Authorization: Bearer $HAR_TOKEN"'
    return f"curl{flags} {shlex.quote(address + path + QUERIES.get(path, ''))}"


def _schema(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    yield f'<section><h3 id="schema-{escape(name)}"><code>{escape(name)}</code></h3>'
    yield f"<p>{_prose(schema.get('description', ''))}"
    required = schema.get("required", ())
    yield from _table(
        "Members",
        (
            (member if member in required else f"{member} (optional)", _kind(facts),
             facts.get("description", ""))
            for member, facts in schema.get("properties", {}).items()
        ),
    )  # fmt: skip
    for example in schema.get("examples", ()):
        yield f"<p>Such as<pre>{escape(json.dumps(example, indent=2))}</pre>"
    yield "</section>"


def _kind(schema: Mapping[str, Any]) -> str:
    """Spell a schema as HTML: a link to a named one, else its type and bounds."""
    if name := schema.get("$ref", "").rpartition("/")[2]:
        return f'<a href="#schema-{escape(name)}">{escape(name)}</a>'
    if "anyOf" in schema:
        return " or ".join(map(_kind, schema["anyOf"]))
    if "const" in schema or "enum" in schema:
        choices = schema.get("enum", [schema.get("const")])
        return " | ".join(escape(json.dumps(choice)) for choice in choices)
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}" if "items" in schema else "list"
    if schema.get("type") == "object" and schema.get("properties"):
        members = (f"{escape(name)}: {_kind(m)}" for name, m in schema["properties"].items())
        return "form with " + ", ".join(members)
    bounds = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "maxLength": "length ≤"}
    notes = [f"{sign} {schema[bound]}" for bound, sign in bounds.items() if bound in schema]
    notes += [f"default {json.dumps(schema['default'])}"] if schema.get("default") else []
    kind = schema.get("format") or schema.get("type") or "any"
    return escape(", ".join([kind, *notes]))


def _table(caption: str, rows: Any) -> Iterator[str]:
    """A table of rows (name, kind as HTML, note)."""
    yield f'<div class="wide"><table><caption>{caption}</caption>'
    for name, kind, note in rows:
        yield (f'<tr><th scope="row"><code>{escape(name)}</code><td>{kind}<td>{_prose(note)}</tr>')
    yield "</table></div>"


def _prose(text: str) -> str:
    """Spell text as HTML; what stands in backticks is code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(text))


def _anchor(path: str, method: str) -> str:
    return escape(f"{method}{path.replace('/', '-')}")
