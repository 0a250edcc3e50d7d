"""The file of totals: an SQLite database that several runs may share.

What is added is added in one transaction, under a lock on the folder: a kill or a power cut at any
moment leaves the totals of before or of after, and two runs lose nothing of each other's.

Releases before this one kept totals as JSON. Such a file is taken over when it is first opened:
the database takes its name, and the JSON stays beside it, as `NAME.v1-TIME.json`.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sqlite3
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from har_edge.errors import OutputError
from har_edge.files import create_private, write_whole
from har_edge.paths import display_path
from har_edge.say import Say

# Day such as 2026-03-01 -> source -> action -> seconds.
Days = dict[str, dict[str, dict[str, float]]]

VERSION = 2
MAGIC, HEADER_BYTES = b"SQLite format 3\0", 100
# Where numbers stand in the header. Source: the SQLite database file format, section 1.3.
PAGE_BYTES_AT, PAGES_AT, APPLICATION_AT = slice(16, 18), slice(28, 32), slice(68, 72)
# By this a damaged database is still known for ours.
APPLICATION = int.from_bytes(b"harT", "big")
# Somebody may be reading it with another program.
BUSY_TIMEOUT_S = 5.0
OLD_FORMAT, OLD_VERSION = "har-edge totals", 1

SCHEMA = """CREATE TABLE seconds (
    day TEXT NOT NULL, source TEXT NOT NULL, action TEXT NOT NULL, seconds REAL NOT NULL,
    PRIMARY KEY (day, source, action)
) WITHOUT ROWID"""
ADD = """INSERT INTO seconds VALUES (?, ?, ?, ?)
    ON CONFLICT (day, source, action) DO UPDATE SET seconds = seconds + excluded.seconds"""
FORGET = """DELETE FROM seconds WHERE day NOT IN
    (SELECT DISTINCT day FROM seconds ORDER BY day DESC LIMIT ?)"""


class TotalsFile:
    """Seconds by day, source and action in a file.

    Args:
        path: The file.
        note: Takes lines for the user.
        keep_days: Days that stay in the file, the newest.
    """

    def __init__(self, path: Path, note: Say, *, keep_days: int) -> None:
        self.path = path
        self._note = note
        self._keep_days = keep_days
        self._checked = False

    def add(self, seconds: Days) -> Days:
        """Add to what the file says now, and give what it says then.

        Raises:
            OutputError: if it is not one of ours, was written by a newer release, or cannot be
                written. The file stays as it is.
        """
        try:
            with _locked(self.path.parent):
                self._prepare()
                try:
                    return self._update(seconds)
                except sqlite3.DatabaseError as error:
                    if type(error) is not sqlite3.DatabaseError:
                        raise  # cannot be read or written; what stands in it is another matter
                    self._set_aside()
                    return self._update(seconds)
        except OSError as error:
            raise self._not_written(str(error.strerror)) from error
        except sqlite3.Error as error:
            raise self._not_written(str(error)) from error

    def _not_written(self, reason: str) -> OutputError:
        return OutputError(
            f"{display_path(self.path)} cannot be written: {reason}. Choose a file in a folder "
            "that exists and is yours to write, and check the disk."
        )

    def _update(self, seconds: Days) -> Days:
        with _transaction(self.path) as database:
            if not self._checked:
                # Also so that a folder that cannot be written to is noticed at the start.
                _create(database)
                _check(database)
            _add(database, seconds)
            database.execute(FORGET, (self._keep_days,))
            days = _read(database)
        self._checked = True
        return days

    def _prepare(self) -> None:
        """Make sure that the file is a database of ours, or none yet."""
        if _journal(self.path).exists():
            _roll_back(self.path)
        try:
            with self.path.open("rb") as file:
                head, size = file.read(HEADER_BYTES), os.fstat(file.fileno()).st_size
        except FileNotFoundError:
            head, size = b"", 0
        if not head:
            self._checked = False
        elif not head.startswith(MAGIC):
            self._take_over()
        elif len(head) == HEADER_BYTES and _number(head, APPLICATION_AT) != APPLICATION:
            raise self._of_somebody_else()
        elif size < _whole_size(head):
            self._set_aside()

    def _take_over(self) -> None:
        """Turn a file of an earlier release into a database."""
        self._checked = False
        content = self.path.read_bytes()
        if not content.strip():
            self.path.write_bytes(b"")  # what a file system may leave of a new file
            return
        text = content.decode("utf-8", "replace")
        try:
            days = _parse_old(text)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            if not text.lstrip().startswith(f'{{"format": "{OLD_FORMAT}"'):
                raise self._of_somebody_else() from error
            self._set_aside()
            return
        # One name for all runs, under the lock: what a kill leaves is overwritten by the next one.
        new = self.path.with_name(f".{self.path.name}.new")
        for left in (new, _journal(new)):
            left.unlink(missing_ok=True)
        try:
            with _transaction(new) as database:
                _create(database)
                _add(database, days)
            kept = self.path.with_name(f"{self.path.name}.v1-{_now()}.json")
            write_whole(kept, content, private=True)
            new.replace(self.path)
        except BaseException:
            new.unlink(missing_ok=True)
            raise
        self._note(
            f"{display_path(self.path)} is a database from now on; what it was is kept as "
            f"{display_path(kept.name)}."
        )

    def _of_somebody_else(self) -> OutputError:
        return OutputError(
            f"{display_path(self.path)} should hold totals of har-edge, but holds something "
            "else. It was left as it is. Choose another file."
        )

    def _set_aside(self) -> None:
        aside = self.path.with_name(f"{self.path.name}.damaged-{_now()}")
        self.path.rename(aside)
        with contextlib.suppress(FileNotFoundError):
            _journal(self.path).rename(_journal(aside))  # it belongs to no other file
        self._checked = False
        self._note(
            f"Warning: {display_path(self.path)} is damaged. It was kept as "
            f"{display_path(aside.name)}; counting starts anew."
        )


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold a lock among all runs that keep totals in a folder; a kill frees it."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def _transaction(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database for one transaction, which an error undoes.

    Not for longer: a disk may be unplugged and come back, and nothing stays beside a file that
    nobody writes to.
    """
    # SQLite would follow a link that somebody put there, and let others read the file.
    if path.is_symlink():
        raise OutputError(
            f"{display_path(path)} should be a file. Received a link. Name the file itself."
        )
    with contextlib.suppress(FileExistsError):
        create_private(path)
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    with contextlib.closing(connection) as database:
        database.execute("BEGIN IMMEDIATE")
        yield database
        database.execute("COMMIT")


def _create(database: sqlite3.Connection) -> None:
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise OutputError(
            f"The totals should have version {VERSION}. Received {version}. Use the har-edge "
            "release that wrote them, or choose another file."
        )
    if not version:
        database.execute(SCHEMA)
    database.execute(f"PRAGMA application_id = {APPLICATION}")
    database.execute(f"PRAGMA user_version = {VERSION}")


def _check(database: sqlite3.Connection) -> None:
    answers = [answer for (answer,) in database.execute("PRAGMA quick_check")]
    if answers != ["ok"]:
        raise sqlite3.DatabaseError(answers[0])


def _add(database: sqlite3.Connection, days: Days) -> None:
    database.executemany(
        ADD,
        (
            (day, source, action, seconds)
            for day, sources in days.items()
            for source, actions in sources.items()
            for action, seconds in actions.items()
        ),
    )


def _read(database: sqlite3.Connection) -> Days:
    days: Days = {}
    for day, source, action, seconds in database.execute("SELECT * FROM seconds"):
        days.setdefault(day, {}).setdefault(source, {})[action] = seconds
    return days


def _roll_back(path: Path) -> None:
    """Undo what a kill cut short; the header says nothing before that."""
    with (
        contextlib.suppress(sqlite3.Error),
        contextlib.closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S)) as database,
    ):
        database.execute("SELECT 1 FROM sqlite_master").fetchone()


def _number(head: bytes, at: slice) -> int:
    return int.from_bytes(head[at], "big")


def _whole_size(head: bytes) -> int:
    """Bytes of a database with this header; SQLite takes zeros for what is cut off."""
    return max(HEADER_BYTES, _number(head, PAGE_BYTES_AT) * _number(head, PAGES_AT))


def _journal(path: Path) -> Path:
    return path.with_name(f"{path.name}-journal")


def _now() -> str:
    return f"{datetime.now():%Y%m%d-%H%M%S-%f}"


def _parse_old(text: str) -> Days:
    """Read what a release before this one wrote.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: if it is not that, or damaged.
        OutputError: if it has a version that no release wrote.
    """
    raw = json.loads(text)
    if raw["format"] != OLD_FORMAT:
        raise ValueError(f"format {raw['format']!r}")
    if raw["version"] != OLD_VERSION:
        raise OutputError(
            f"The totals should have version {OLD_VERSION}. Received {raw['version']!r}. Use the "
            "har-edge release that wrote them, or choose another file."
        )
    return {
        datetime.strptime(day, "%Y-%m-%d").strftime("%Y-%m-%d"): {
            str(source): {str(action): float(s) for action, s in actions.items()}
            for source, actions in sources.items()
        }
        for day, sources in raw["days"].items()
    }
