"""What the source says of its own architecture: who imports whom, and how large things are.

Nothing is imported to find out: all of it is read from the syntax trees. Every import counts,
also one inside a function or under `TYPE_CHECKING`: a reader has to know both ends of it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

# Module -> the modules of the same package that it imports.
Graph = Mapping[str, frozenset[str]]
# Folder, as a dotted name -> its rooms from the top down. Rooms in one line may import each other.
# Modules of the folder that no line names are its ground floor.
Orders = Mapping[str, Sequence[str]]

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


def read_modules(package: Path) -> dict[str, Path]:
    """Names of a package's modules, and their files; a folder is named like its `__init__`."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def import_graph(package: Path) -> dict[str, frozenset[str]]:
    """Find what each module imports of its own package.

    What belongs to the package as a whole (`__version__`) is no import of its front door.
    """
    modules = read_modules(package)
    return {
        name: frozenset(_imports(name, path, modules) - {name}) for name, path in modules.items()
    }


def _imports(importer: str, path: Path, modules: Mapping[str, Path]) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(_parse(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = _from_where(importer, path, node)
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                if inner in modules:
                    found.add(inner)
                elif not alias.name.startswith("__"):
                    found.add(base)
    return found & modules.keys()


def _from_where(importer: str, path: Path, node: ast.ImportFrom) -> str:
    """The module that an `import from` names, written with dots or in full."""
    if not node.level:
        return node.module or ""
    parts = importer.split(".") + ["__init__"] * (path.name == "__init__.py")
    return ".".join(parts[: -node.level] + ([node.module] if node.module else []))


def find_circles(graph: Graph) -> list[list[str]]:
    """Modules that import each other, over however many others; Tarjan's algorithm.

    Source: Tarjan, Depth-First Search and Linear Graph Algorithms (1972).
    """
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    waiting: list[str] = []
    found: list[list[str]] = []

    def visit(module: str) -> None:
        number[module] = lowest[module] = len(number)
        waiting.append(module)
        for imported in sorted(graph.get(module, ())):
            if imported not in number:
                visit(imported)
            if imported in waiting:
                lowest[module] = min(lowest[module], lowest[imported])
        if lowest[module] == number[module]:
            start = waiting.index(module)
            circle = sorted(waiting[start:])
            del waiting[start:]
            if len(circle) > 1:
                found.append(circle)

    for module in graph:
        if module not in number:
            visit(module)
    return found


def longest_chain(graph: Graph) -> list[str]:
    """The longest chain of imports, from the top down; its length is the number of floors.

    Raises:
        ValueError: if there is a circle, which has no top.
    """
    if circles := find_circles(graph):
        raise ValueError(f"Chains need imports without circles. Found {circles}.")
    chains: dict[str, list[str]] = {}

    def chain(module: str) -> list[str]:
        if module not in chains:
            below = [chain(imported) for imported in sorted(graph.get(module, ()))]
            chains[module] = [module, *max(below, key=len, default=[])]
        return chains[module]

    return max((chain(module) for module in graph), key=len, default=[])


def upward_imports(graph: Graph, orders: Orders) -> list[str]:
    """Imports that go up, and folders that no order names; each as a line for people."""
    problems = []
    for folder, order in orders.items():
        depth = {room: i for i, line in enumerate(order) for room in line.split()}
        inside = {module for module in graph if module == folder or module.startswith(f"{folder}.")}
        rooms = {module: _room(module, folder) for module in inside}
        folders = {_room(m, folder) for m in inside if m.count(".") > folder.count(".") + 1}
        unnamed = sorted(folders - depth.keys())
        problems += [f"{folder}.{room} has no place in the order of {folder}" for room in unnamed]
        for module in sorted(inside):
            for imported in sorted(graph[module] & inside):
                above = depth.get(rooms[module], len(order))
                if rooms[module] != rooms[imported] and above > depth.get(
                    rooms[imported], len(order)
                ):
                    problems.append(f"{module} imports {imported}, which is above it")
    return problems


def _room(module: str, folder: str) -> str:
    """The part of a folder that a module lies in; `__init__` for the folder's own."""
    return module.removeprefix(folder).lstrip(".").partition(".")[0] or "__init__"


def long_files(paths: Sequence[Path], most: int) -> list[str]:
    """Files of more than so many lines."""
    counts = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in paths}
    return [f"{path}: {count} lines" for path, count in counts.items() if count > most]


def long_functions(paths: Sequence[Path], most: int) -> list[str]:
    """Functions of more than so many lines, docstring included, decorators not."""
    return [
        f"{path}:{node.lineno} {node.name}: {lines} lines"
        for path in paths
        for node in _functions(path)
        if (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > most
    ]


def wide_functions(paths: Sequence[Path], most: int) -> list[str]:
    """Functions of more than so many parameters beside `self`; commands take what users may say."""
    return [
        f"{path}:{node.lineno} {node.name}: {count} parameters"
        for path in paths
        for node in _functions(path)
        if not _is_command(node) and (count := _count_parameters(node)) > most
    ]


def _functions(path: Path) -> Iterator[FunctionNode]:
    for node in ast.walk(_parse(path)):
        if isinstance(node, FunctionNode):
            yield node


def _is_command(node: FunctionNode) -> bool:
    """Whether click makes a command or a group of it."""
    names = (d.func if isinstance(d, ast.Call) else d for d in node.decorator_list)
    return any(ast.unparse(name).rpartition(".")[2] in ("command", "group") for name in names)


def _count_parameters(node: FunctionNode) -> int:
    names = [a.arg for a in (*node.args.posonlyargs, *node.args.args)]
    return len(names[names[:1] in (["self"], ["cls"]) :]) + len(node.args.kwonlyargs)


def count_any(paths: Sequence[Path]) -> int:
    """How often code says `Any`: where it is imported, in annotations, in casts."""
    return sum(_count_any(_parse(path)) for path in paths)


def _count_any(tree: ast.AST) -> int:
    count = 0
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute | ast.alias):
            name = {ast.Name: "id", ast.Attribute: "attr", ast.alias: "name"}[type(node)]
            count += getattr(node, name) == "Any"
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            count += _count_quoted_any(node.value)
    return count


def _count_quoted_any(text: str) -> int:
    """Count in a type that is written as a string; a sentence is none."""
    if not re.search(r"\bAny\b", text):
        return 0
    try:
        return _count_any(ast.parse(text, mode="eval"))
    except SyntaxError:
        return 0


def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))
