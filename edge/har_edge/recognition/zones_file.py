"""The file of zones and rules: TOML or JSON, checked in full when it is read.

    [[zones]]
    name = "bed"
    box = [0.05, 0.45, 0.50, 0.95]
    point = "hips"

    [[zones]]
    name = "door"
    polygon = [[0.80, 0.20], [1.00, 0.20], [1.00, 0.95], [0.78, 0.90]]
    source = "camera:0"

    [[rules]]
    action = "falling"
    unless_zone = "bed"

    [falls]
    low_s = 5.0

`rules` may also be a list of lines, see `har_edge.recognition.rules`. JSON has the same members.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TypeVar, cast

from har_edge.arrays import Box
from har_edge.errors import ConfigError, OutputError
from har_edge.files import write_whole
from har_edge.paths import display_path
from har_edge.people.zones import Point, PointRule, Zone, Zones
from har_edge.recognition.fall_settings import FallSettings
from har_edge.recognition.rules import Rule, Rules, parse_hours, parse_rule, suggestion

Made = TypeVar("Made")

MAX_FILE_BYTES = 1_000_000
_MEMBERS = ("zones", "rules", "falls")
_ZONE_MEMBERS = ("name", "polygon", "box", "point", "source")
_RULE_MEMBERS = ("action", "unless_zone", "only_zone", "min_duration_s", "hours")


@dataclass(frozen=True)
class ZonesFile:
    """What a file of zones and rules says.

    Attributes:
        zones: The zones.
        rules: The rules.
        falls: Single settings of the alarm for falls.
    """

    zones: Zones = field(default_factory=Zones)
    rules: Rules = field(default_factory=Rules)
    falls: Mapping[str, float] = field(default_factory=dict)


def read_zones_file(path: str | os.PathLike[str], *, missing_ok: bool = False) -> ZonesFile:
    """Read a file of zones and rules.

    Args:
        path: A `.toml` or `.json` file.
        missing_ok: Whether a file that is not there yet stands for no zones and rules.

    Raises:
        ConfigError: if it cannot be read, or says something that is not allowed; the message says
            where.

    Example:
        >>> from pathlib import Path
        >>> _ = Path("room.json").write_text(
        ...     '{"zones": [{"name": "bed", "box": [0, 0.5, 0.5, 1]}],'
        ...     ' "rules": ["falling unless zone=bed"]}'
        ... )
        >>> read_zones_file("room.json").zones.names
        ('bed',)
    """
    where = display_path(path)
    values = _read(Path(path), where, missing_ok=missing_ok)
    return parse_zones(values, where)


def parse_zones(values: object, where: str) -> ZonesFile:
    """Make zones and rules of plain values; errors as above.

    Args:
        values: What the file holds.
        where: The file, for messages.
    """
    table = _table(values, _MEMBERS, where)
    zones = Zones(_each(table.get("zones", []), f"{where}, zone", _zone))
    rules = Rules(_each(table.get("rules", []), f"{where}, rule", _rule))
    return ZonesFile(zones, rules, _falls(table.get("falls", {}), f"{where}, falls"))


def zone_values(zones: Zones) -> list[dict[str, object]]:
    """Zones as plain values, as `parse_zones` reads them."""
    return [
        {
            "name": zone.name,
            "polygon": [[round(x, 4), round(y, 4)] for x, y in zone.polygon],
            "point": zone.point,
            **({} if zone.source is None else {"source": zone.source}),
        }
        for zone in zones.all
    ]


def write_zones(path: str | os.PathLike[str], zones: Zones) -> None:
    """Write zones to a JSON file; its rules stay as they are.

    Raises:
        OutputError: if it is no JSON file, or cannot be written.
        ConfigError: if what is there cannot be read.
    """
    file, where = Path(path), display_path(path)
    if file.suffix.lower() != ".json":
        raise OutputError(
            f"Zones that are drawn are written to a .json file. Received {where}, which stays as "
            "it is written by hand. Start with --zones FILE.json to draw."
        )
    values = dict(_table(_read(file, where, missing_ok=True), _MEMBERS, where))
    values["zones"] = zone_values(zones)
    write_whole(file, json.dumps(values, indent=2, ensure_ascii=False) + "\n")


def _read(path: Path, where: str, *, missing_ok: bool) -> object:
    suffix = path.suffix.lower()
    if suffix not in (".toml", ".json"):
        raise ConfigError(
            f"A file of zones should end in .toml or .json. Received {where}. Rename it."
        )
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ConfigError(
                f"{where} should hold zones and rules, in at most {MAX_FILE_BYTES} bytes. "
                "Received a larger file. Choose another."
            )
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        if missing_ok:
            return {}
        raise ConfigError(
            f"{where} should hold zones and rules. Found no such file. Check the name."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise ConfigError(f"{where} cannot be read: {reason}. Check the file.") from error
    try:
        return _loads_toml(text) if suffix == ".toml" else json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"{where} should be {suffix[1:].upper()}. Received something else: {error}. Mend it "
            "there."
        ) from error


def _loads_toml(text: str) -> object:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    return tomllib.loads(text)


def _table(values: object, known: Sequence[str], where: str) -> Mapping[str, object]:
    """A table whose members are all known."""
    if not isinstance(values, Mapping):
        raise ConfigError(
            f"{where}: expected a table with {', '.join(known)}. Received "
            f"{type(values).__name__}. See the example in docs/how-to/zones.md."
        )
    for name in values:
        if name not in known:
            raise ConfigError(
                f"{where}: expected {', '.join(known)}. Received {name!r}. "
                f"{suggestion(str(name), known)}"
            )
    return cast("Mapping[str, object]", values)


def _each(values: object, where: str, make: Callable[[object, str], Made]) -> list[Made]:
    """Make something of each member of a list; messages count from 1."""
    if not isinstance(values, list):
        raise ConfigError(
            f"{where}s: expected a list. Received {type(values).__name__}. Write [[{where[-4:]}s]] "
            "above each, or a list in brackets."
        )
    return [make(value, f"{where} {number}") for number, value in enumerate(values, 1)]


def _zone(values: object, where: str) -> Zone:
    table = _table(values, _ZONE_MEMBERS, where)
    name = _text(table, "name", where)
    point = cast("PointRule", _text(table, "point", where, default="feet"))
    source = _text(table, "source", where, default="") or None
    try:
        if ("box" in table) == ("polygon" in table):
            raise ConfigError(
                f"Zone {name!r} should have either a polygon or a box. Received "
                f"{'both' if 'box' in table else 'neither'}. Give one of them."
            )
        if "box" in table:
            left, top, right, bottom = _numbers(table["box"], 4, f"Zone {name!r}, box")
            box: Box = (left, top, right, bottom)
            return Zone.of_box(name, box, point=point, source=source)
        return Zone(name, _corners(table["polygon"], name), point, source)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error


def _corners(values: object, name: str) -> tuple[Point, ...]:
    if not isinstance(values, list):
        raise ConfigError(
            f"Zone {name!r} should have a polygon of corners such as [[0, 0], [1, 0], [1, 1]]. "
            f"Received {type(values).__name__}. Give a list."
        )
    pairs = [
        _numbers(value, 2, f"Zone {name!r}, corner {number}")
        for number, value in enumerate(values, 1)
    ]
    return tuple((x, y) for x, y in pairs)


def _numbers(values: object, count: int, what: str) -> list[float]:
    good = isinstance(values, list | tuple) and len(values) == count
    if good and all(type(value) in (int, float) for value in cast("list[object]", values)):
        return [float(value) for value in cast("list[float]", values)]
    raise ConfigError(
        f"{what} should be {count} numbers, in fractions of the picture. Received {values!r}. "
        f"Write, for example: {[0.1, 0.2, 0.6, 0.9][:count]}"
    )


def _rule(values: object, where: str) -> Rule:
    if isinstance(values, str):
        return parse_rule(values, where)
    table = _table(values, _RULE_MEMBERS, where)
    action = _text(table, "action", where)
    given = table.get("min_duration_s", 0.0)
    if type(given) not in (int, float) or not 0 <= cast("float", given) <= 3600:
        raise ConfigError(
            f"{where}: expected min_duration_s to be seconds, 0 to 3600. Received {given!r}. "
            "Write, for example: min_duration_s = 10"
        )
    hours = _text(table, "hours", where, default="")
    rule = Rule(
        action,
        _names(table.get("unless_zone", []), f"{where}, unless_zone"),
        _names(table.get("only_zone", []), f"{where}, only_zone"),
        float(cast("float", given)),
        parse_hours(hours, f"{where}, hours") if hours else None,
    )
    if rule == Rule(action):
        raise ConfigError(
            f"{where}: expected {', '.join(_RULE_MEMBERS[1:])} beside the action. Received none "
            'of them. Write, for example: unless_zone = "bed"'
        )
    return rule


def _names(values: object, where: str) -> tuple[str, ...]:
    names = [values] if isinstance(values, str) else values
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ConfigError(
            f"{where}: expected a zone or a list of zones. Received {values!r}. Write, for "
            'example: unless_zone = ["bed", "sofa"]'
        )
    return tuple(names)


def _falls(values: object, where: str) -> Mapping[str, float]:
    known = tuple(f.name for f in fields(FallSettings))
    table = cast("Mapping[str, float]", _table(values, known, where))
    try:
        FallSettings(**table)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error
    return table


def _text(table: Mapping[str, object], name: str, where: str, *, default: str | None = None) -> str:
    value = table.get(name, default)
    if isinstance(value, str):
        return value
    received = "nothing" if value is None else repr(value)
    raise ConfigError(
        f"{where}: expected {name} to be a text in quotes. Received {received}. Write, for "
        f'example: {name} = "{"camera:0" if name == "source" else "bed"}"'
    )


def check_sources(zones: Zones, sources: Collection[str], where: str) -> None:
    """Check that zones of single sources have one.

    Raises:
        ConfigError: if a zone is of a source that is not there.
    """
    for zone in zones.all:
        if zone.source is not None and zone.source not in sources:
            raise ConfigError(
                f"{where}, zone {zone.name!r}: expected one of the sources. Received "
                f"{zone.source!r}. {suggestion(zone.source, sources)}"
            )
