"""Files of zones and rules: both forms, and errors that say where."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from har_edge.errors import ConfigError, OutputError
from har_edge.people.zones import Zone, Zones
from har_edge.recognition.rules import Rule
from har_edge.recognition.zones_file import check_sources, read_zones_file, write_zones

TOML = """
rules = ["falling unless zone=bed", "lying for 10 s"]

[[zones]]
name = "bed"
box = [0.05, 0.45, 0.5, 0.95]
point = "hips"

[[zones]]
name = "door"
polygon = [[0.8, 0.2], [1.0, 0.2], [1.0, 0.95]]
source = "camera:0"

[falls]
low_s = 5
"""
TABLES = """
[[zones]]
name = "my bed"
box = [0, 0, 1, 1]

[[rules]]
action = "falling"
unless_zone = ["my bed"]
min_duration_s = 2
hours = "22:00-06:00"
"""


def write(folder: Path, text: str, name: str = "room.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_zones_rules_and_falls_are_read(tmp_path: Path) -> None:
    read = read_zones_file(write(tmp_path, TOML))
    bed, door = read.zones.all
    assert (bed.name, bed.point, bed.source, len(bed.polygon)) == ("bed", "hips", None, 4)
    assert (door.name, door.point, door.source) == ("door", "feet", "camera:0")
    assert [rule.action for rule in read.rules.all] == ["falling", "lying"]
    assert read.falls == {"low_s": 5}


def test_rules_may_be_tables(tmp_path: Path) -> None:
    read = read_zones_file(write(tmp_path, TABLES))
    assert read.rules.all == (Rule("falling", ("my bed",), (), 2.0, (1320, 360)),)


def test_json_says_the_same(tmp_path: Path) -> None:
    values = {
        "zones": [{"name": "bed", "box": [0, 0, 1, 1]}],
        "rules": [{"action": "falling", "unless_zone": "bed"}],
    }
    read = read_zones_file(write(tmp_path, json.dumps(values), "room.json"))
    assert read.rules.all == (Rule("falling", ("bed",)),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("zones = 3", "zones: expected a list"),
        ("[[zone]]\nname='a'", "Received 'zone'. Did you mean 'zones'"),
        ("[[zones]]\nname='a'", "zone 1: Zone 'a' should have either a polygon or a box"),
        ("[[zones]]\nbox=[0,0,1,1]", "zone 1: expected name to be a text"),
        ("[[zones]]\nname='a'\npolygn=[0,0,1,1]", "Received 'polygn'. Did you mean 'polygon'"),
        ("[[zones]]\nname='a'\nbox=[0,0,1]", "box should be 4 numbers"),
        ("[[zones]]\nname='a'\nbox=[0,0,true,1]", "box should be 4 numbers"),
        ("[[zones]]\nname='a'\npolygon=[[0,0],[1,0],[1]]", "corner 3 should be 2 numbers"),
        ("[[zones]]\nname='a'\npolygon='all'", "a polygon of corners"),
        ("[[zones]]\nname='a'\nbox=[0,0,1,1]\npoint='head'", "zone 1: .*Received 'head'"),
        ("[[zones]]\nname='a'\nbox=[0,0,1.5,1]", r"Received \(1.5, 0\) as corner 2"),
        ("rules = ['falling unles zone=a']", "rule 1, character 9: .*Did you mean 'unless'"),
        ("[[rules]]\naction='falling'", "Received none of them"),
        ("[[rules]]\naction='falling'\nunless='a'", "Did you mean 'unless_zone'"),
        ("[[rules]]\naction='falling'\nunless_zone=3", "a zone or a list of zones"),
        ("[[rules]]\naction='falling'\nmin_duration_s='2'", "to be seconds"),
        ("[[rules]]\naction='falling'\nhours='late'", "hours such as 22:00-06:00"),
        ("[falls]\nlow=3", "Received 'low'. Did you mean 'low_s'"),
        ("[falls]\ndrop=0", "falls: Expected drop to be a number above 0"),
        ("[[zones]\n", "should be TOML. Received something else: .*line 1"),
    ],
)
def test_errors_say_where_and_what_may_be_meant(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_zones_file(write(tmp_path, text))


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"end in .toml or .json"):
        read_zones_file(write(tmp_path, "", "room.yaml"))
    with pytest.raises(ConfigError, match="no such file"):
        read_zones_file(tmp_path / "gone.toml")
    assert len(read_zones_file(tmp_path / "gone.json", missing_ok=True).zones) == 0
    with pytest.raises(ConfigError, match="should be JSON"):
        read_zones_file(write(tmp_path, "[" * 100_000, "deep.json"))
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="no UTF-8"):
        read_zones_file(tmp_path / "bytes.toml")


def test_drawn_zones_are_written_and_rules_stay(tmp_path: Path) -> None:
    path = write(tmp_path, '{"rules": ["falling unless zone=bed"]}', "room.json")
    bed = Zone("bed", ((0, 0), (0.123456, 0), (0.5, 0.5)), "hips", "camera:0")
    write_zones(path, Zones([bed]))
    read = read_zones_file(path)
    assert read.zones.all[0].polygon[1] == (0.1235, 0)
    assert (read.zones.all[0].point, read.zones.all[0].source) == ("hips", "camera:0")
    assert read.rules.all == (Rule("falling", ("bed",)),)


def test_zones_are_not_drawn_into_a_file_that_is_written_by_hand(tmp_path: Path) -> None:
    path = write(tmp_path, TOML)
    with pytest.raises(OutputError, match=r"FILE.json"):
        write_zones(path, Zones())
    assert path.read_text() == TOML


def test_a_zone_of_a_source_needs_that_source() -> None:
    zones = Zones([Zone.of_box("bed", (0, 0, 1, 1), source="camera:O")])
    with pytest.raises(ConfigError, match="Did you mean 'camera:0'"):
        check_sources(zones, ["camera:0"], "room.toml")
    check_sources(zones, ["camera:O"], "room.toml")
