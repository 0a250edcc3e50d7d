"""Files, devices and pipes that results are written to."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from har_edge.errors import OutputError
from har_edge.sinks.output import open_output


def test_an_output_is_for_the_user_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        for name, text in (("new", ""), ("old", "of before")):
            path = tmp_path / name
            if text:
                path.write_text(text)
            with open_output(path) as stream:
                stream.write("x")
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert path.read_text() == "x"
    finally:
        os.umask(before)


def test_a_planted_link_is_no_output(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    for content in (None, "precious"):
        if content:
            victim.write_text(content)
        link = tmp_path / f"link {content}"
        link.symlink_to(victim)
        with pytest.raises(OutputError, match=r"should be a file\. Received a link"):
            open_output(link)
        assert victim.exists() == bool(content)
    assert victim.read_text() == "precious"


def test_two_runs_do_not_write_one_output(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with open_output(path) as first:
        first.write("kept")
        first.flush()
        with pytest.raises(OutputError, match="one run at a time"):
            open_output(path)
        assert path.read_text() == "kept"
    with open_output(path):
        assert path.read_text() == ""


def test_devices_pipes_and_links_of_the_system_are_outputs(tmp_path: Path) -> None:
    with open_output(os.devnull) as stream:
        stream.write("x")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o644)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    (tmp_path / "link").symlink_to(pipe)
    with open_output(tmp_path / "link") as stream:
        stream.write("through")
    assert os.read(reader, 100) == b"through"
    os.close(reader)
    assert stat.S_IMODE(pipe.stat().st_mode) == 0o644
    code = "from har_edge.sinks.output import open_output\n"
    code += "with open_output('/dev/stdout') as s: s.write('x')"
    with (tmp_path / "redirected").open("wb") as file:
        subprocess.run([sys.executable, "-c", code], stdout=file, check=True, timeout=60)
    assert (tmp_path / "redirected").read_text() == "x"


def test_unwritable_output_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "no" / "such" / "folder.txt"):
        with pytest.raises(OutputError, match="cannot be written"):
            open_output(path)
