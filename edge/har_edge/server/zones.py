"""The zones of a live source: shown, drawn on the page, checked as in a file, and kept in one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from har_edge.config import FilePath
from har_edge.people.zones import Zones
from har_edge.recognition.scene import Scene
from har_edge.recognition.zones_file import (
    check_sources,
    parse_zones,
    read_zones_file,
    write_zones,
    zone_values,
)

WHERE = "The drawn zones"
NO_PEOPLE = "This server recognises whole pictures: there is nobody to be in a zone."
NO_FILE = "To draw zones, start the server with --zones FILE.json."
BY_HAND = (
    "The file of zones is written by hand, and stays so. To draw zones, start the server with "
    "--zones FILE.json."
)


class ZonesKeeper:
    """Keeps the zones of a live source.

    Args:
        scene: Looks for zones in the live source; None where nobody looks for people.
        path: The file of zones, if there is one.
        source: The live source.
        labels: Gives the actions of the model, which may be taught some.
    """

    def __init__(
        self,
        scene: Scene | None,
        path: FilePath | None,
        source: str,
        labels: Callable[[], tuple[str, ...]],
    ) -> None:
        self._scene = scene
        self._path = path
        self._source = source
        self._labels = labels
        self._lock = threading.Lock()

    @property
    def detail(self) -> str:
        """Why zones cannot be drawn; empty if they can."""
        if self._path is None:
            return NO_FILE
        if self._scene is None:
            return NO_PEOPLE
        return "" if Path(self._path).suffix.lower() == ".json" else BY_HAND

    def facts(self) -> dict[str, object]:
        """The zones, and whether they can be drawn."""
        zones = self._scene.zones if self._scene else Zones()
        values = [{"source": None, **value} for value in zone_values(zones)]
        return {"zones": values, "writable": not self.detail, "detail": self.detail}

    def replace(self, zones: list[dict[str, object]]) -> dict[str, object]:
        """Take other zones, from the next frame on, and write them to the file.

        Raises:
            ConfigError: if they are none, or a rule names one that is gone; all stays as it was.
            OutputError: if they cannot be written; likewise.
        """
        assert self._scene is not None
        assert self._path is not None
        given = [{name: v for name, v in zone.items() if v is not None} for zone in zones]
        found = parse_zones({"zones": given}, WHERE).zones
        with self._lock:
            check_sources(found, [self._source], WHERE)
            file = read_zones_file(self._path, missing_ok=True)
            file.rules.check(self._labels(), found.names, "The rules of the file")
            write_zones(self._path, found)
            self._scene.zones = found
        return self.facts()
