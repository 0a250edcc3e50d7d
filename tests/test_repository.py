"""What is around the code agrees with it: workflows, links, citation, kinds of tests, the sdist."""

from __future__ import annotations

import ast
import re
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import unquote

import pytest

import har_edge
from tests.conftest import ROOT
from tests.support.kinds import FIXTURES, KINDS, NEED_TENSORFLOW, SETS, kinds_of, takes_none_of

TESTS = ROOT / "tests"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
YAML = [*WORKFLOWS, *FORMS, ROOT / ".github" / "dependabot.yml", ROOT / ".pre-commit-config.yaml"]
AREAS = ("edge", "train", "convert", "benchmarks", "docs", ".github")
GENERATED = ("har-edge", "har-train", "har-convert", "har-bench")
PAGES = sorted([*ROOT.glob("*.md"), *(page for a in AREAS for page in (ROOT / a).rglob("*.md"))])


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def load_yaml(path: Path) -> dict[object, object]:
    """The content of a file, of which the outermost part is a mapping."""
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


def nox_sessions() -> set[str]:
    """Names of the functions of noxfile.py that nox offers."""
    tree = ast.parse((ROOT / "noxfile.py").read_text(encoding="utf-8"))
    return {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        and any("session" in ast.unparse(decorator) for decorator in node.decorator_list)
    }


def anchors(page: str) -> set[str]:
    """What headings can be linked by, as repository hosts make it of their words."""
    headings = re.findall(r"^#+ +(.+?)\s*$", re.sub(r"```.*?```", "", page, flags=re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("path", YAML, ids=name)
def test_yaml_is_read(path: Path) -> None:
    assert load_yaml(path)


def test_citation() -> None:
    citation = load_yaml(ROOT / "CITATION.cff")
    assert citation["version"] == har_edge.__version__
    assert citation["cff-version"] == "1.2.0"
    assert citation["authors"] == [{"name": "The har-edge maintainers"}]


@pytest.mark.parametrize("path", WORKFLOWS, ids=name)
def test_workflows_have_few_rights_and_fixed_actions(path: Path) -> None:
    workflow = load_yaml(path)
    assert workflow["permissions"] in ({}, {"contents": "read"})
    assert isinstance(workflow["jobs"], dict)
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 60
        assert set(job.get("permissions", {}).items()) <= {
            ("contents", "read"),
            ("id-token", "write"),
        }
        for step in job["steps"]:
            assert re.search(r"^[\w-]+/[\w-]+@(release/)?v\d+$", step.get("uses", "a/b@v1"))


@pytest.mark.parametrize("path", [*WORKFLOWS, ROOT / "CONTRIBUTING.md"], ids=name)
def test_sessions_that_are_named_exist(path: Path) -> None:
    lines = re.findall(r"nox .*?(?=`|\n| --(?!\S))", path.read_text(encoding="utf-8"))
    words = [w for line in lines for w in line.partition("-s ")[2].split()]
    named = {re.split(r"-(?=\d|\$)", word)[0] for word in words if word[0].isalpha()}
    named -= {"matrix.python", "matrix.session"}
    assert named <= nox_sessions()
    if path.stem in {"fast", "lowest"}:
        assert path.stem in named  # the test sees them


def test_the_readme_is_one_page() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120


def test_the_full_workflow_runs_what_the_readme_promises() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    promised = re.search(r"<!-- test command -->\n```\n(.+)\n```", readme)
    assert promised
    workflow = (ROOT / ".github" / "workflows" / "full.yml").read_text(encoding="utf-8")
    assert f"- run: {promised[1]}\n" in workflow


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_links_lead_somewhere(path: Path) -> None:
    page = re.sub(r"```.*?```|`[^`\n]*`", "", path.read_text(encoding="utf-8"), flags=re.S)
    for target in re.findall(r"\]\(<?([^)\s>]+)>?[^)]*\)", page):
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue  # another host's
        file, _, anchor = unquote(target).partition("#")
        linked = path.parent / file if file else path
        if linked.parent == ROOT / "docs" / "reference" and linked.stem in GENERATED:
            continue  # made of the commands when the site is built
        assert linked.exists(), f"{target} is not there"
        if anchor and linked.suffix == ".md":
            assert anchor in anchors(linked.read_text(encoding="utf-8")), target


def test_kinds_name_tests_and_markers_that_exist() -> None:
    files = {path.relative_to(TESTS).as_posix(): path for path in TESTS.rglob("test_*.py")}
    for pattern in (p for patterns in KINDS.values() for p in patterns):
        file, _, test = pattern.partition("::")
        found = [path for name, path in files.items() if fnmatchcase(name, file)]
        assert found, f"{pattern} matches no file"
        names = [
            n for path in found for n in re.findall(r"^def (test_\w+)", path.read_text(), re.M)
        ]
        assert any(fnmatchcase(name, test or "*") for name in names), f"{pattern} matches no test"
    assert all((TESTS / entry).exists() for entry in NEED_TENSORFLOW)
    setup = (ROOT / "setup.cfg").read_text(encoding="utf-8")
    for marker in {*KINDS, *FIXTURES.values(), *SETS, *frozenset().union(*SETS.values())}:
        assert f"\n    {marker}: " in setup, f"setup.cfg says nothing of {marker}"


def test_sets_leave_out_what_they_say() -> None:
    assert kinds_of("edge/test_table.py::test_columns", ()) == {"fast", "anywhere"}
    assert kinds_of("edge/sinks/test_stream.py::test_lines", ()) == {"fast", "anywhere"}
    assert kinds_of("edge/sinks/test_stream.py::test_a_kill", ()) == {"process", "anywhere"}
    assert kinds_of("edge/test_table.py", (), {"slow"}) == set()
    assert kinds_of("fuzz/test_files.py", (), {"fuzz"}) == set()
    assert kinds_of("edge/test_table.py", {"har_edge"}) == {"process", "anywhere"}
    assert kinds_of("edge/server/test_app.py", ()) == {"server", "anywhere"}
    assert kinds_of("edge/server/test_dashboard.py", ()) == {"browser", "server"}
    assert kinds_of("train/test_config.py", ()) == set()


def test_what_a_set_takes_nothing_of_is_not_imported() -> None:
    assert takes_none_of("fast", "train")
    assert takes_none_of("fast", "edge/server/test_app.py")
    assert not takes_none_of("anywhere", "edge/server/test_app.py")
    assert takes_none_of("anywhere", "edge/server/test_dashboard.py")
    assert not takes_none_of("fast", "edge/server")
    # Single tests are left out here, and the others are run.
    assert not takes_none_of("fast", "edge/sinks/test_stream.py")


def test_the_manifest_names_what_is_there() -> None:
    lines = (ROOT / "MANIFEST.in").read_text(encoding="utf-8").splitlines()
    for line in lines:
        command, *patterns = line.split() or ["#"]
        if command in {"include", "graft"}:
            assert all(list(ROOT.glob(pattern)) for pattern in patterns), line


def test_licences_of_what_is_carried_are_there() -> None:
    setup = (ROOT / "setup.cfg").read_text(encoding="utf-8")
    found = re.search(r"^license_expression = (.+)$", setup, re.M)
    assert found
    texts = {path.stem for path in (ROOT / "LICENSES").glob("*.txt")}
    assert set(found[1].split(" AND ")) <= {"MIT", *texts}
    page = (ROOT / "LICENSES" / "README.md").read_text(encoding="utf-8")
    assert found[1] in page
    assert all(f"({text}.txt)" in page for text in texts)
