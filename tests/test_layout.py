"""The packages keep to their layers, start light and are all installed."""

from __future__ import annotations

import ast
import configparser
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.architecture import (
    count_any,
    find_circles,
    import_graph,
    long_files,
    long_functions,
    longest_chain,
    upward_imports,
    wide_functions,
)

ROOT = Path(__file__).parents[1]
PACKAGES = {
    "har_edge": ROOT / "edge" / "har_edge",
    "har_train": ROOT / "train" / "har_train",
    "har_convert": ROOT / "convert" / "har_convert",
    "har_benchmarks": ROOT / "benchmarks" / "har_benchmarks",
}
AREAS = ("edge", "train", "convert", "benchmarks")
# What `har-edge --help` may load beside the standard library.
LIGHT = {"har_edge", "click", "colorama"}
HEAVY = {
    "numpy", "cv2", "PIL", "ai_edge_litert", "tflite_runtime", "tensorflow", "keras", "matplotlib",
    "sklearn", "pandas", "fastapi", "scipy", "onnx", "onnxruntime", "tf2onnx",
}  # fmt: skip

# Rooms from the top down: imports only go down, and those of one line may import each other. What
# is not named is the ground floor, on which all may stand.
ORDERS = {
    "har_edge": (
        "__main__ __init__ testing",
        "commands",
        "server",
        "run",
        "machine",
        "sinks",
        "recognition",
        "people",
        "sources",
        "frames",
        "run_folder kept",
        "model",
        "compat",
    ),
    "har_edge.server": ("app", "build", "routes"),
    "har_edge.sources": ("open", "live", "web_files pipe clips", "files", "videos", "captures"),
    "har_train": (
        "__main__ __init__",
        "commands",
        "explain explore",
        "evaluation",
        "people",
        "trained_run",
        "run_folder",
        "training",
        "reports",
        "features",
        "dataset skeletons",
        "model",
        "config",
    ),
    "har_convert": (
        "__main__ __init__",
        "commands api mediapipe",
        "people",
        "measure",
        "conversion",
        "card gate process results steps",
        "verify worker",
        "run_folder calibration clip",
        "auditing",
        "tflite onnx",
        "recipe",
    ),
    "har_benchmarks": (
        "__main__ __init__",
        "commands",
        "run experiments",
        "alarms",
        "peers",
        "render",
        "results",
        "execute",
        "plan",
        "tasks",
    ),
}
# Half of what there was when all modules of a package lay in one folder.
MOST_ANY = {"har_edge": 98, "har_train": 116, "har_convert": 59, "har_benchmarks": 81}
# Modules above each other, `__main__` counted like all others.
MOST_FLOORS = 12
MOST_LINES_OF_A_FILE = 400
MOST_LINES_OF_A_FUNCTION = 60
MOST_PARAMETERS = 7


@pytest.fixture(params=AREAS)
def sources(request: pytest.FixtureRequest) -> list[Path]:
    """All source files of an area: the package, and scripts beside it."""
    return sorted((ROOT / request.param).rglob("*.py"))


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_only_go_down(package: str) -> None:
    orders = {f: o for f, o in ORDERS.items() if f.partition(".")[0] == package}
    assert upward_imports(import_graph(PACKAGES[package]), orders) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_no_modules_import_each_other(package: str) -> None:
    assert find_circles(import_graph(PACKAGES[package])) == []


def test_the_runner_has_few_floors() -> None:
    chain = longest_chain(import_graph(PACKAGES["har_edge"]))
    assert len(chain) <= MOST_FLOORS, " → ".join(chain)


@pytest.mark.parametrize("package", PACKAGES)
def test_types_are_said(package: str) -> None:
    count = count_any(sorted(PACKAGES[package].rglob("*.py")))
    assert count <= MOST_ANY[package]


@pytest.mark.parametrize("area", [*AREAS, "tests"])
def test_files_are_short(area: str) -> None:
    files = sorted((ROOT / area).rglob("*.py"))
    assert len(files) > 10  # the test sees the files
    assert long_files(files, MOST_LINES_OF_A_FILE) == []


def test_functions_fit_a_screen(sources: list[Path]) -> None:
    assert long_functions(sources, MOST_LINES_OF_A_FUNCTION) == []


def test_functions_take_few_parameters(sources: list[Path]) -> None:
    assert wide_functions(sources, MOST_PARAMETERS) == []


def imports_of(path: Path) -> set[str]:
    """Top-level names of everything a source file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_depend_on_edge_alone(package: str) -> None:
    allowed = {package, "har_edge"}
    for path in PACKAGES[package].glob("**/*.py"):
        others = imports_of(path) & PACKAGES.keys()
        assert others <= allowed, f"{path.name} imports {others - allowed}"


def loaded_modules(statement: str) -> set[str]:
    """Top-level third-party modules that a fresh interpreter holds after a statement."""
    code = (
        f"import json, sys; before = set(sys.modules); {statement}\n"
        "new = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "print(json.dumps(sorted(new)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    names = set(json.loads(result.stdout.splitlines()[-1]))
    return {n for n in names if n not in sys.stdlib_module_names and not n.startswith("_")}


@pytest.mark.parametrize("module", ["har_edge", "har_edge.commands.main"])
def test_importing_edge_is_light(module: str) -> None:
    assert loaded_modules(f"import {module}") <= LIGHT


def test_help_is_light() -> None:
    statement = (
        "from har_edge.commands.main import cli; cli.main(['run', '--help'], standalone_mode=False)"
    )
    assert loaded_modules(statement) <= LIGHT


def test_running_loads_nothing_that_is_not_needed(tmp_path: Path) -> None:
    picture = tmp_path / "grey.png"
    from PIL import Image

    Image.new("RGB", (64, 48), "grey").save(picture)
    start = "from har_edge.commands.main import cli"
    statement = f"{start}; cli.main(['run', {str(picture)!r}], standalone_mode=False)"
    loaded = loaded_modules(statement)
    assert "numpy" in loaded  # the test sees what is loaded
    assert loaded & HEAVY <= {"numpy", "cv2", "PIL", "ai_edge_litert", "tflite_runtime"}


def test_audit_needs_no_tensorflow() -> None:
    """`har-convert audit` works where only har-edge itself is installed."""
    model = ROOT / "tests" / "assets" / "tiny-int8.tflite"
    statement = (
        "from har_convert.commands import audit; "
        f"audit.main([{str(model)!r}, '--output-format', 'json'], standalone_mode=False)"
    )
    loaded = loaded_modules(statement)
    assert "ai_edge_litert" in loaded
    # Runtimes are tried, if they are there; what converts is not needed.
    runtimes = {"ai_edge_litert", "tflite_runtime", "onnxruntime"}
    assert loaded & HEAVY <= {"numpy", "cv2", "PIL", *runtimes}


def test_every_package_is_listed_and_typed() -> None:
    config = configparser.ConfigParser(interpolation=None)
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    rooms = {
        ".".join(found.parent.relative_to(folder.parent).parts)
        for folder in PACKAGES.values()
        for found in folder.glob("**/__init__.py")
    }
    assert set(config["options"]["packages"].split()) == rooms
    for package, folder in PACKAGES.items():
        assert (
            f"{package} = {folder.relative_to(ROOT).as_posix()}"
            in (config["options"]["package_dir"])
        )
        assert (folder / "py.typed").is_file()
        # A folder of modules without an __init__ would be left out of the wheel.
        assert all((path.parent / "__init__.py").is_file() for path in folder.glob("**/*.py"))
