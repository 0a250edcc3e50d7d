"""One loop: `nox -s fast | full | slow | lowest | light | lint | docs | fuzz | dist | audit`.

Each has an environment of its own under .nox/, kept between calls; `nox -R -s fast` also skips the
installing, `nox --no-venv -s fast` takes the environment that is active. What stands behind `--`
goes to pytest: `nox -s fast -- -k decide`. Which tests a loop takes stands in
tests/support/kinds.py; .ci/run, which needs no nox, goes by the same marks.
"""

from __future__ import annotations

from pathlib import Path

import nox

nox.needs_version = ">=2024.4.15"
nox.options.sessions = ["lint", "fast"]
nox.options.reuse_venv = "yes"

ROOT = Path(__file__).parent
# What runs models and serves them, without TensorFlow, and what its tests need beside.
LIGHT = ".[mqtt,serve,streams]"
# All that needs no TensorFlow.
UNTRAINED = ".[mqtt,onnx,serve,streams,bench]"
TOOLS = ("pytest>=7.4", "pytest-xdist>=3.5", "httpx>=0.27", "schemathesis>=4.0")
PARALLEL = ("-n", "auto", "--dist", "loadfile")
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3"}


@nox.session
def fast(session: nox.Session) -> None:
    """What is quick and the same each time: no TensorFlow, no server, no browser. A minute."""
    session.install("-e", UNTRAINED, *TOOLS, "scipy")
    session.run("pytest", "-q", *PARALLEL, "-m", "fast", *session.posargs, env=QUIET)


@nox.session
def full(session: nox.Session) -> None:
    """Everything that README's test command runs, in parallel."""
    session.install("-e", ".[all,dev]")
    session.run("pytest", *session.posargs, env=QUIET)


@nox.session
def slow(session: nox.Session) -> None:
    """What takes minutes a test and is left out of `full`."""
    session.install("-e", ".[all,dev]")
    session.run("pytest", "-n", "2", "-m", "slow", *session.posargs, env=QUIET)


@nox.session
def light(session: nox.Session) -> None:
    """The package as it is installed, without TensorFlow: the demo, then the edge's tests."""
    session.install(LIGHT, *TOOLS)
    with session.chdir(session.create_tmp()):  # the installed package, not the checkout
        session.run("har-edge", "run", "--demo")
    session.run("pytest", "-q", *PARALLEL, *_edge_tests(session), env=QUIET)


@nox.session(python=["3.10", "3.11"])
def lowest(session: nox.Session) -> None:
    """The oldest releases that setup.cfg allows, on the oldest Pythons."""
    floors = session.run("python", ".ci/lowest.py", "mqtt", "serve", "streams", silent=True)
    constraints = Path(session.create_tmp()) / "lowest.txt"
    constraints.write_text(str(floors), encoding="utf-8")
    session.install("-c", str(constraints), LIGHT, "pytest", "pytest-xdist", "httpx")
    tests = ("-m", "anywhere", "tests/test_layout.py", "tests/edge")
    session.run("pytest", "-q", *PARALLEL, *tests, *session.posargs, env=QUIET)


@nox.session
def dist(session: nox.Session) -> None:
    """What a release has: sdist and wheels, built twice to the same bytes, and their SBOM."""
    session.install("build", "twine", "cyclonedx-bom")
    out = Path("dist")
    epoch = session.run("git", "log", "-1", "--format=%ct", external=True, silent=True)
    session.run("python", ".ci/build.py", str(out), env={"SOURCE_DATE_EPOCH": str(epoch).strip()})
    (wheel,) = out.glob("har_edge-*.whl")
    archives = [*out.glob("*.whl"), *out.glob("*.tar.gz")]
    session.run("twine", "check", "--strict", *map(str, archives))
    python = _installed(session, f"{wheel}[mqtt,onnx,serve,streams]")
    session.run(
        "cyclonedx-py", "environment", python,
        "--output-reproducible", "--output-format", "JSON", "--output-file",
        str(out / "har-edge.cdx.json"),
    )  # fmt: skip


@nox.session
def audit(session: nox.Session) -> None:
    """Known holes in what an installation brings along; asks PyPI's database of them."""
    session.install("pip-audit")
    python = Path(_installed(session, UNTRAINED))
    (packages,) = python.parents[1].glob("lib/python*/site-packages")
    session.run("pip-audit", "--path", str(packages))


@nox.session
def fuzz(session: nox.Session) -> None:
    """Thousands of damaged files, requests and uploads; five minutes on two cores."""
    session.install("-e", UNTRAINED, *TOOLS)
    session.run("pytest", "-q", "-s", "-m", "fuzz", "tests/fuzz", *session.posargs, env=QUIET)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, format and types, as they must be before a commit."""
    session.install("-e", UNTRAINED, "ruff>=0.4", "mypy>=1.8")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")


@nox.session
def docs(session: nox.Session) -> None:
    """The docs site, into site/: it is built without a network, and every link is checked."""
    session.install("-e", ".[docs]", "pytest>=7.4")
    session.run("mkdocs", "build", "--strict", "--site-dir", "site")
    session.run("pytest", "-q", "tests/docs/test_site.py", env={**QUIET, "HAR_SITE": "site"})


def _installed(session: nox.Session, what: str) -> str:
    """Install something into an environment without any tools: the path of its Python."""
    place = Path(session.create_tmp()) / "installed"
    session.run("python", "-m", "venv", "--clear", str(place))
    python = str(place / "bin" / "python")
    session.run(python, "-m", "pip", "install", "-q", what, external=True)
    return python


def _edge_tests(session: nox.Session) -> list[str]:
    """What was asked for, else the tests that run without TensorFlow."""
    return session.posargs or ["tests/test_layout.py", "tests/edge", "tests/benchmarks"]
