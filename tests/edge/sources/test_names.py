"""How what a user types becomes a list of sources."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from har_edge.errors import SourceError
from har_edge.media import Skipped
from har_edge.sources.names import camera_name, expand_sources, find_sources
from tests.conftest import MakeVideo


def test_folders_and_globs(tmp_path: Path, make_video: MakeVideo) -> None:
    make_video("b.mp4")
    (tmp_path / "sub").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "sub" / "a.JPG", "JPEG")
    (tmp_path / "notes.txt").write_text("not media")
    (tmp_path / ".hidden.jpg").write_text("not shown")
    both = [str(tmp_path / "b.mp4"), str(tmp_path / "sub" / "a.JPG")]
    assert expand_sources([str(tmp_path)]) == both
    assert expand_sources([str(tmp_path / "**" / "*")]) == both
    assert expand_sources([str(tmp_path / "*.mp4")]) == both[:1]


def test_what_is_passed_over_is_said(tmp_path: Path, make_video: MakeVideo) -> None:
    make_video("b.mp4")
    (tmp_path / "notes.txt").write_text("not media")
    for folder in (".ipynb_checkpoints", "sub/@eaDir"):
        (tmp_path / folder).mkdir(parents=True)
        Image.new("RGB", (4, 4)).save(tmp_path / folder / "a.jpg")
    for name in (str(tmp_path), str(tmp_path / "**" / "*")):
        skipped = Skipped()
        assert expand_sources([name], skipped) == [str(tmp_path / "b.mp4")]
        assert str(skipped).startswith("Skipped 1 file: 1 text; and what is in ")
        assert "@eaDir" in str(skipped)
    # Who names such a folder means it.
    assert len(expand_sources([str(tmp_path / "sub" / "@eaDir")])) == 1
    assert len(expand_sources([str(tmp_path / ".ipynb_checkpoints" / "*")])) == 1


def test_what_is_wrong_in_a_list_names_the_line(tmp_path: Path, make_video: MakeVideo) -> None:
    video = make_video("a.mp4")
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text(
        "Shopping list\na.mp4\n\nftp://me:geheim@host/film.mp4\nempty\nother.txt\n"
    )
    found = list(find_sources([str(tmp_path / "notes.txt")]))
    assert [name for name, error in found if error is None] == [str(video)]
    said = [str(error) for _, error in found if error is not None]
    where = tmp_path / "notes.txt"
    assert said[0].startswith(f"{where}, line 1: ") and "Shopping list does not exist" in said[0]
    assert said[1].startswith(f"{where}, line 4: ftp://***@host") and "geheim" not in said[1]
    assert said[2].startswith(f"{where}, line 5: ") and "no picture and no video" in said[2]
    assert said[3].startswith(f"{where}, line 6: ") and "not lists" in said[3]
    with pytest.raises(SourceError, match="line 1: "):
        expand_sources([str(tmp_path / "notes.txt")])


def test_folders_without_anything_to_read_say_what_they_hold(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not media")
    with pytest.raises(SourceError, match=r"no picture and no video.*Skipped 1 file: 1 text"):
        expand_sources([str(tmp_path)])


def test_a_file_named_like_a_glob_is_itself(tmp_path: Path, make_video: MakeVideo) -> None:
    path = shutil.move(make_video(), tmp_path / "clip[1].mp4")
    assert expand_sources([str(path)]) == [str(path)]


@pytest.mark.parametrize("name", ["", "nothing-*.mp4"])
def test_empty_folders_and_globs_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SourceError, match="no picture and no video"):
        expand_sources([str(tmp_path / name) if name else str(tmp_path)])


@pytest.mark.parametrize(
    "name",
    [
        "rtsp://me:x@cam/[1]?a=*",
        "http://cam/stream.txt",
        "camera:0",
        "picamera:1",
        "/dev/video0",
        "-",
        "gone.mp4",
        "gone.txt",
    ],
)
def test_other_names_stay_as_they_are(name: str) -> None:
    assert expand_sources([name]) == [name]


def test_a_number_is_a_camera_unless_it_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert expand_sources(["0"]) == ["camera:0"]
    (tmp_path / "7").write_text("")
    assert expand_sources(["7"]) == ["7"]


@pytest.mark.parametrize("suffix", [".txt", ".streams"])
def test_lists_of_sources(tmp_path: Path, make_video: MakeVideo, suffix: str) -> None:
    make_video("a.mp4")
    (tmp_path / "sub").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "sub" / "b.png")
    (tmp_path / f"all{suffix}").write_text(
        "# cameras\nrtsp://cam/live#1   # the door\n\n  0\n-\na.mp4\nsub\n*.mp4\n"
    )
    video = str(tmp_path / "a.mp4")
    picture = str(tmp_path / "sub" / "b.png")
    expected = ["rtsp://cam/live#1", "camera:0", "-", video, picture, video]
    assert expand_sources([str(tmp_path / f"all{suffix}")]) == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"# nothing\n\n", "names no source"),
        (b"other.txt\n", "not lists"),
        (b"caf\xe9.mp4\n", "UTF-8"),
    ],
)
def test_unusable_lists_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "list.txt").write_bytes(content)
    with pytest.raises(SourceError, match=message):
        expand_sources([str(tmp_path / "list.txt")])


def test_schemes_that_cannot_be_read_are_named_with_those_that_can(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("ftp://me:secret@host/film.mp4")
    for name in ("ftp://me:secret@host/film.mp4", str(tmp_path / "list.txt")):
        with pytest.raises(SourceError, match=r"ftp://\*\*\*@host.*scheme.*http://.*rtsp://"):
            expand_sources([name])


@pytest.mark.parametrize(
    ("camera", "name"),
    [("0", "camera:0"), ("/dev/video2", "/dev/video2"), ("picamera:0", "picamera:0")],
)
def test_cameras_are_named(camera: str, name: str) -> None:
    assert camera_name(camera) == name


def test_what_is_no_camera_is_said() -> None:
    with pytest.raises(SourceError, match=r"Received 'film\.mp4'"):
        camera_name("film.mp4")


def test_name_that_cannot_be_looked_up_is_an_error_for_the_user() -> None:
    with pytest.raises(SourceError, match="cannot be looked up: File name too long"):
        expand_sources(["a" * 300])
