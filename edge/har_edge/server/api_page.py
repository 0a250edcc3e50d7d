"""The OpenAPI document as a page for people: no script, no other host, nothing left out."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, TypeAlias

from markupsafe import Markup

from har_edge.page import page_style, render_page, style_source

# JSON of any depth; what may stand in it is said by the OpenAPI specification.
Node: TypeAlias = Mapping[str, Any]
# Name, kind, note.
Row: TypeAlias = tuple[str, Markup, Markup]

# A query that shows more than the default, where there is one.
QUERIES = {"/predict": "?top_k=3", "/events": "?last=10"}


@dataclass(frozen=True)
class Operation:
    """What a route does.

    Attributes:
        title: Method and path.
        about: What it does.
        example: A call.
        takes, gives: Parameters and bodies; answers.
        errors: Numbers of its problems.
        error: What these are.
    """

    title: str
    anchor: str
    about: Markup
    example: str
    takes: Sequence[Row]
    gives: Sequence[Row]
    errors: Sequence[str]
    error: Markup


@dataclass(frozen=True)
class Schema:
    """A form of data that has a name."""

    name: str
    about: Markup
    members: Sequence[Row]
    examples: Sequence[str]


def reference_html(document: Node, address: str) -> tuple[str, str]:
    """Lay an OpenAPI document out.

    Args:
        document: What to lay out.
        address: Where the reader reaches the server, such as `http://127.0.0.1:8000`.

    Returns:
        The page, and its content policy.
    """
    package, name = "har_edge.server", "api"
    page = render_page(
        package,
        name,
        extra="serve",
        info=document["info"],
        about=_prose(document["info"].get("description", "")),
        operations=[
            _operation(path, method, operation, address)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        ],
        schemas=[_schema(*item) for item in sorted(document["components"]["schemas"].items())],
    )
    source = style_source(page_style(package, name))
    return page, f"default-src 'none'; style-src {source}; frame-ancestors 'none'"


def _operation(path: str, method: str, operation: Node, address: str) -> Operation:
    bodies = operation.get("requestBody", {}).get("content", {})
    takes = [
        (
            f"{p['name']} ({p['in']}{', required' if p.get('required') else ''})",
            _kind(p["schema"]),
            _prose(p.get("description", "")),
        )
        for p in operation.get("parameters", ())
    ]
    takes += [
        ("body", Markup("{}: {}").format(kind, _kind(body["schema"])), Markup())
        for kind, body in bodies.items()
    ]
    answers = {status: _answer(answer) for status, answer in operation["responses"].items()}
    # Problems look alike; what they are about is said by their numbers, and their own text.
    problems = sorted(status for status in answers if status >= "400")
    return Operation(
        title=f"{method.upper()} {path}",
        anchor=f"{method}{path.replace('/', '-')}",
        about=_prose(operation.get("description", "")),
        example=_curl(path, method, operation, address),
        takes=takes,
        gives=[(status, *answer) for status, answer in answers.items() if status < "400"],
        errors=problems,
        error=answers[problems[0]][0] if problems else Markup(),
    )


def _answer(answer: Node) -> tuple[Markup, Markup]:
    kinds = (
        Markup("{}{}").format(
            kind, Markup(": {}").format(_kind(body["schema"])) if body.get("schema") else ""
        )
        for kind, body in answer.get("content", {}).items()
    )
    said = answer["description"].replace("Successful Response", "Done")
    return Markup("<br>").join(kinds), _prose(said)


def _curl(path: str, method: str, operation: Node, address: str) -> str:
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


def _schema(name: str, schema: Node) -> Schema:
    required = schema.get("required", ())
    members = [
        (
            member if member in required else f"{member} (optional)",
            _kind(facts),
            _prose(facts.get("description", "")),
        )
        for member, facts in schema.get("properties", {}).items()
    ]
    examples = [json.dumps(example, indent=2) for example in schema.get("examples", ())]
    return Schema(name, _prose(schema.get("description", "")), members, examples)


def _kind(schema: Node) -> Markup:
    """Spell a schema: a link to a named one, else its type and bounds."""
    if name := schema.get("$ref", "").rpartition("/")[2]:
        return Markup('<a href="#schema-{0}">{0}</a>').format(name)
    if "anyOf" in schema:
        return Markup(" or ").join(map(_kind, schema["anyOf"]))
    if "const" in schema or "enum" in schema:
        choices = schema.get("enum", [schema.get("const")])
        return Markup(" | ").join(json.dumps(choice) for choice in choices)
    if schema.get("type") == "array":
        return (
            Markup("list of {}").format(_kind(schema["items"]))
            if "items" in schema
            else Markup("list")
        )
    if schema.get("type") == "object" and schema.get("properties"):
        members = (
            Markup("{}: {}").format(name, _kind(m)) for name, m in schema["properties"].items()
        )
        return Markup("form with {}").format(Markup(", ").join(members))
    bounds = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "maxLength": "length ≤"}
    notes = [f"{sign} {schema[bound]}" for bound, sign in bounds.items() if bound in schema]
    notes += [f"default {json.dumps(schema['default'])}"] if schema.get("default") else []
    kind = schema.get("format") or schema.get("type") or "any"
    return Markup("{}").format(", ".join([kind, *notes]))


def _prose(text: str) -> Markup:
    """Spell text; what stands in backticks is code."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", escape(text)))
