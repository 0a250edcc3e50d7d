"""What the light installation leaves out comes along with the extras that need it."""

from __future__ import annotations

import configparser
import runpy
import shutil
import sys
from pathlib import Path

import pytest

from har_edge.errors import MissingExtraError
from har_edge.model.file import BUNDLED
from har_edge.run_folder import bundled_folder, bundled_run
from tests.conftest import ROOT

MODELS = ROOT / "convert" / "models"
HOLDERS = ("train", "convert")
# An sdist has no folder of models, and needs no test of it.
pytestmark = pytest.mark.skipif(not MODELS.is_dir(), reason="this is no checkout")


def extras_of(folder: Path) -> dict[str, list[str]]:
    """The extras that setup.py in a folder declares."""
    pytest.importorskip("setuptools")
    return runpy.run_path(str(folder / "setup.py"))["extras"]()


def wanted(extras: dict[str, list[str]]) -> dict[str, list[str]]:
    """Requirements of the models, by extra."""
    found = {name: [r for r in all_ if "models" in r] for name, all_ in extras.items()}
    return {name: requirements for name, requirements in found.items() if requirements}


def test_a_checkout_takes_the_models_beside_it() -> None:
    here = f"har-edge-models @ {MODELS.as_uri()}"
    assert wanted(extras_of(ROOT)) == {name: [here] for name in HOLDERS}


def test_without_the_folder_an_index_is_asked(tmp_path: Path) -> None:
    for name in ("setup.py", "setup.cfg"):
        shutil.copy(ROOT / name, tmp_path)
    version = runpy.run_path(str(MODELS / "har_edge_models" / "__init__.py"))["__version__"]
    asked = f"har-edge-models=={version}"
    assert wanted(extras_of(tmp_path)) == {name: [asked] for name in HOLDERS}


def test_an_sdist_names_no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["setup.py", "sdist"])
    assert all("@" not in line for lines in wanted(extras_of(ROOT)).values() for line in lines)


def test_all_other_extras_stay_as_they_are_written() -> None:
    config = configparser.ConfigParser(interpolation=None)
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    written = {n: lines.split("\n")[1:] for n, lines in config["options.extras_require"].items()}
    declared = extras_of(ROOT)
    assert {n: r for n, r in declared.items() if n not in HOLDERS} == {
        n: [line for line in r if line] for n, r in written.items() if n not in HOLDERS
    }


def test_licences_go_along() -> None:
    for path in (MODELS / "LICENSES").iterdir():
        assert path.read_bytes() == (ROOT / "LICENSES" / path.name).read_bytes(), path.name
    assert (MODELS / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert {p.name for p in (MODELS / "LICENSES").iterdir()} == {
        p.name for p in (ROOT / "LICENSES").glob("*.txt")
    }


def test_models_are_found_in_the_checkout() -> None:
    assert [bundled_folder(name).parent for name in BUNDLED] == [MODELS / "har_edge_models"] * len(
        BUNDLED
    )


@pytest.fixture
def without_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages where har_convert lies as pip installs it, without its checkout."""
    (tmp_path / "har_convert").mkdir()
    (tmp_path / "har_convert" / "__init__.py").write_text("")
    for name in ("har_convert", "har_edge_models"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    return tmp_path


def test_models_are_found_where_they_are_installed(without_checkout: Path) -> None:
    installed = without_checkout / "har_edge_models"
    (installed / "har15").mkdir(parents=True)
    (installed / "__init__.py").write_text("")
    (installed / "har15" / "model.keras").write_bytes(b"")
    assert bundled_run("har15") == installed / "har15"


def test_who_lacks_them_reads_what_to_install(without_checkout: Path) -> None:
    with pytest.raises(MissingExtraError, match=r"'har-edge-models'.*pip install \"\.\[convert\]"):
        bundled_run("har15")
    assert bundled_run("mine") is None
