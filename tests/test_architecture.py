"""What breaks the architecture is found: each rule sees what was planted against it."""

from __future__ import annotations

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

ORDERS = {"shop": ("__main__ __init__", "counter", "kitchen oven"), "shop.kitchen": ("bake", "mix")}
SOUND = {
    "__init__.py": "__version__ = '1'\n",
    "__main__.py": "from shop.counter import till\n",
    "counter/__init__.py": "",
    "counter/till.py": "from shop import __version__\nfrom shop.kitchen import bake\n",
    "kitchen/__init__.py": "",
    "kitchen/bake.py": "import shop.oven\nfrom .mix import knead\nfrom ..money import Price\n",
    "kitchen/mix.py": "from shop.money import Price\n",
    "oven.py": "",
    "money.py": "",
}


def write(folder: Path, changes: dict[str, str]) -> Path:
    """A package that is sound but for what is changed."""
    package = folder / "shop"
    for name, content in {**SOUND, **changes}.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return package


def test_all_ways_to_import_are_seen(tmp_path: Path) -> None:
    graph = import_graph(write(tmp_path, {}))
    assert graph["shop.__main__"] == {"shop.counter.till"}
    assert graph["shop.counter.till"] == {"shop.kitchen.bake"}
    assert graph["shop.kitchen.bake"] == {"shop.oven", "shop.kitchen.mix", "shop.money"}
    assert graph["shop.money"] == set()


def test_a_sound_package_has_no_problems(tmp_path: Path) -> None:
    graph = import_graph(write(tmp_path, {}))
    assert upward_imports(graph, ORDERS) == []
    assert find_circles(graph) == []
    assert longest_chain(graph) == [
        "shop.__main__",
        "shop.counter.till",
        "shop.kitchen.bake",
        "shop.kitchen.mix",
        "shop.money",
    ]


@pytest.mark.parametrize(
    ("name", "content", "imported"),
    [
        ("kitchen/mix.py", "from shop.counter.till import open_till\n", "shop.counter.till"),
        ("kitchen/mix.py", "def f():\n    import shop.counter.till\n", "shop.counter.till"),
        (
            "kitchen/mix.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from shop import order\n",
            "shop",
        ),
        ("kitchen/mix.py", "from . import bake\n", "shop.kitchen.bake"),
        ("oven.py", "from .counter import till\n", "shop.counter.till"),
        ("money.py", "from shop.oven import heat\n", "shop.oven"),
    ],
)
def test_an_import_that_goes_up_is_found(
    tmp_path: Path, name: str, content: str, imported: str
) -> None:
    graph = import_graph(write(tmp_path, {name: content}))
    module = f"shop.{name.removesuffix('.py').replace('/', '.')}"
    assert upward_imports(graph, ORDERS) == [f"{module} imports {imported}, which is above it"]


def test_a_folder_without_a_place_is_found(tmp_path: Path) -> None:
    graph = import_graph(write(tmp_path, {"cellar/wine.py": "", "kitchen/pans/pan.py": ""}))
    assert upward_imports(graph, ORDERS) == [
        "shop.cellar has no place in the order of shop",
        "shop.kitchen.pans has no place in the order of shop.kitchen",
    ]


def test_circles_are_found_through_functions_and_type_checks(tmp_path: Path) -> None:
    changes = {
        "oven.py": "def f():\n    from shop.kitchen import mix\n",
        "kitchen/mix.py": "if TYPE_CHECKING:\n    from shop.kitchen.bake import Bread\n",
    }
    graph = import_graph(write(tmp_path, changes))
    assert find_circles(graph) == [["shop.kitchen.bake", "shop.kitchen.mix", "shop.oven"]]
    with pytest.raises(ValueError, match="without circles"):
        longest_chain(graph)


def test_what_is_too_large_is_found(tmp_path: Path) -> None:
    source = (
        "import click\n"
        "def narrow(self, a, b, *c, d):\n    pass\n"
        "@click.command()\ndef command(a, b, c, d, e):\n    pass\n"
        "class Room:\n    async def wide(self, a, /, b, c, *, d):\n        def inner():\n"
        "            pass\n        return inner\n"
    )
    paths = [write(tmp_path, {"oven.py": source}) / "oven.py"]
    assert [line.rpartition("/")[2] for line in wide_functions(paths, 3)] == [
        "oven.py:8 wide: 4 parameters"
    ]
    assert [line.rpartition("/")[2] for line in long_functions(paths, 3)] == [
        "oven.py:8 wide: 4 lines"
    ]
    assert [line.rpartition("/")[2] for line in long_files(paths, 10)] == ["oven.py: 11 lines"]
    assert long_files(paths, 11) == []


def test_any_is_counted_in_code_and_not_in_prose(tmp_path: Path) -> None:
    source = (
        '"""Any number of loaves."""\n'
        "import typing\n"
        "from typing import Any, cast\n"
        "a: dict[str, Any] = {}  # Any\n"
        "b: 'list[Any]' = cast('Any', a)\n"
        "c: typing.Any = 'Any one of them'\n"
    )
    assert count_any([write(tmp_path, {"oven.py": source}) / "oven.py"]) == 5
