"""From an installation to an answer, with a package that needs no index."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from har_benchmarks.experiments.first_answer import (
    CONTENDERS,
    PICTURE,
    Contender,
    FirstAnswer,
    first_answer,
    row_of,
)

BALLAST = "#" * 300_000


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package with one module, which says something."""
    path = tmp_path_factory.mktemp("wheel") / "answers-1-py3-none-any.whl"
    about = "answers-1.dist-info"
    files = {
        "answers.py": f"said = 'a person sitting'\n{BALLAST}",
        f"{about}/METADATA": "Metadata-Version: 2.1\nName: answers\nVersion: 1\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(path, "w") as packed:
        for name, text in files.items():
            packed.writestr(name, text)
        packed.writestr(f"{about}/RECORD", "".join(f"{n},,\n" for n in (*files, f"{about}/RECORD")))
    return path


def ask(
    requirement: object, script: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> FirstAnswer:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    found = first_answer(Contender(str(requirement), script, "sitting"), PICTURE, place)
    assert list(place.iterdir()) == []  # environments are large
    return found


def test_an_installation_and_its_answer(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = "import answers, sys; print('seen', sys.argv[1]); print(answers.said)"
    found = ask(wheel, script, tmp_path, monkeypatch)
    assert (found.right, found.answer, found.reason) == (True, "a person sitting", "")
    assert found.install_s > 0
    assert found.answer_s > 0
    assert 0.3 <= found.size_mb < 1
    assert found.packages == 1
    row = row_of("answers", Contender(str(wheel), script, "sitting"), [found])
    assert row["right"] is True
    assert row["to_first_right_answer_s"] == pytest.approx(
        found.install_s + found.answer_s, abs=0.06
    )


@pytest.mark.parametrize(
    ("script", "answer", "reason"),
    [("print('it stands')", "it stands", ""), ("import sys; sys.exit('no file')", "", "no file")],
)
@pytest.mark.slow
def test_a_wrong_answer_and_none(
    script: str,
    answer: str,
    reason: str,
    wheel: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = ask(wheel, script, tmp_path, monkeypatch)
    assert (found.right, found.answer, found.reason) == (False, answer, reason)
    row = row_of("answers", Contender(str(wheel), script, "sitting"), [found])
    assert (row["right"], row["to_first_right_answer_s"]) == (False, None)


def test_what_cannot_be_installed_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = ask("answers-that-nobody-has", "print('sitting')", tmp_path, monkeypatch)
    assert (found.right, found.answer, found.packages) == (False, "", 0)
    assert "answers-that-nobody-has" in found.reason


def test_what_is_asked_is_python() -> None:
    for name, contender in CONTENDERS.items():
        compile(contender.script, name, "exec")
