"""From `pip install` to the first right answer: what a newcomer waits for, and what it weighs.

    har-bench experiment first-answer [--of NAME]... [--before CHECKOUT] [--rounds N] [--out JSON]

Each contender is installed into a fresh virtual environment, from the same index, and then asked
about the same picture of a person who sits, in a process of its own. What each can answer differs:
har-edge names the action; Ultralytics finds a person, MediaPipe the person's joints. An answer is
right when it says `sitting`, or finds somebody. One that wants a file that its package does not
bring gets it only if its own code fetches it: what stops it is kept as the reason.

pip's cache is used as it is, and the first round is dropped where there are several, so that the
network is in the figures of a single round only. Environments are large (Ultralytics brings
PyTorch): `--folder` says where they are made; they are deleted at once.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median

import click

from har_benchmarks.experiments.result import SAMPLE, write_result
from har_benchmarks.experiments.turns import in_turns
from har_edge.commands.harness import note
from har_edge.machine.facts import git_revision, machine_facts

PICTURE = SAMPLE.with_name("seated.jpg")
CHECKOUT = Path(__file__).parents[3]
# This checkout, or what the index has where this is none.
OURS = str(CHECKOUT) if (CHECKOUT / "setup.cfg").is_file() else "har-edge"
INSTALL_LIMIT_S = 3600
# Long enough to load PyTorch from a cold disk, and for one try to fetch a file.
ANSWER_LIMIT_S = 300

HAR_EDGE = """
import json, subprocess, sys
from pathlib import Path
har_edge = str(Path(sys.executable).with_name("har-edge"))
line = subprocess.run([har_edge, "run", sys.argv[1], "--output-format", "jsonl"],
                      stdout=subprocess.PIPE, check=True).stdout
print(json.loads(line)["action"])
"""
ULTRALYTICS = """
import sys
from ultralytics import YOLO
found = YOLO("yolo11n.pt")(sys.argv[1], verbose=False)[0]
print(*sorted({found.names[int(number)] for number in found.boxes.cls}))
"""
MEDIAPIPE = """
import sys
import mediapipe
if not hasattr(mediapipe, "solutions"):
    sys.exit("This release brings no model of poses: a .task file is to be fetched beside it.")
import cv2
picture = cv2.cvtColor(cv2.imread(sys.argv[1]), cv2.COLOR_BGR2RGB)
with mediapipe.solutions.pose.Pose(static_image_mode=True) as pose:
    found = pose.process(picture).pose_landmarks
print(f"{len(found.landmark)} joints" if found else "nobody")
"""


@dataclass(frozen=True)
class Contender:
    """Something to install and to ask.

    Attributes:
        requirement: What `pip install` is given.
        script: Python code that prints an answer for the picture in `sys.argv[1]`.
        right: The word that a right answer has.
    """

    requirement: str
    script: str
    right: str


CONTENDERS = {
    "har-edge": Contender(OURS, HAR_EDGE, "sitting"),
    "ultralytics": Contender("ultralytics", ULTRALYTICS, "person"),
    "mediapipe": Contender("mediapipe", MEDIAPIPE, "joints"),
    # The last that has models in its package.
    "mediapipe 0.10.21": Contender("mediapipe==0.10.21", MEDIAPIPE, "joints"),
}


@dataclass(frozen=True)
class FirstAnswer:
    """What one installation and one question took.

    Attributes:
        install_s: Wall-clock time of `pip install`; of one that failed until then.
        answer_s: From the start of the process to the end of its answer.
        size_mb: Bytes below site-packages and the environment's bin, without pip's own.
        packages: How many were installed.
        answer: The last line that it printed; empty if it failed.
        right: Whether that is right.
        reason: Why there is no answer, in the words of who gave none; else empty.
    """

    install_s: float
    answer_s: float
    size_mb: float
    packages: int
    answer: str
    right: bool
    reason: str


def first_answer(contender: Contender, picture: Path, place: Path | None) -> FirstAnswer:
    """Install a contender into a fresh environment, ask once, and delete all of it.

    Args:
        contender: What to install and to ask.
        picture: The picture that it is asked about.
        place: Folder to make the environment in; None for that of temporary files.
    """
    folder = Path(tempfile.mkdtemp(prefix="first-answer-", dir=place))
    try:
        venv.create(folder / "venv", with_pip=True)
        python = folder / "venv" / "bin" / "python"
        before = _weigh(folder / "venv")
        install_s, _, reason = _timed(
            [python, "-m", "pip", "install", "--no-input", contender.requirement],
            folder, INSTALL_LIMIT_S,
        )  # fmt: skip
        after = _weigh(folder / "venv")
        answer_s, said = 0.0, ""
        if not reason:
            command: list[Path | str] = [python, "-c", contender.script, picture]
            answer_s, said, reason = _timed(command, folder, ANSWER_LIMIT_S)
        return FirstAnswer(
            install_s=round(install_s, 2),
            answer_s=round(answer_s, 2),
            size_mb=round((after[0] - before[0]) / 1e6, 1),
            packages=after[1] - before[1],
            answer=said,
            right=contender.right in said.split(),
            reason=reason,
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _timed(command: list[Path | str], folder: Path, limit_s: float) -> tuple[float, str, str]:
    """Seconds that a command took, its last line, and why it failed; one of both is empty."""
    own = {"HOME": str(folder), "YOLO_CONFIG_DIR": str(folder), "MPLCONFIGDIR": str(folder)}
    # pip's cache stays where it is, though the home is a new one.
    cache = os.environ.get("PIP_CACHE_DIR", str(Path.home() / ".cache" / "pip"))
    env = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    started = time.perf_counter()
    try:
        run = subprocess.run(
            command, cwd=folder, env={**env, **own, "PIP_CACHE_DIR": cache},
            capture_output=True, text=True, timeout=limit_s, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return time.perf_counter() - started, "", f"No answer within {limit_s:.0f} s."
    seconds = time.perf_counter() - started
    if run.returncode == 0:
        return seconds, _last_line(run.stdout), ""
    return seconds, "", _last_line(run.stderr) or f"Exit code {run.returncode}."


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2]


def _weigh(environment: Path) -> tuple[int, int]:
    """Bytes of all files in an environment, and how many distributions it has."""
    files = [path for path in environment.rglob("*") if path.is_file() and not path.is_symlink()]
    return sum(p.stat().st_size for p in files), len([*environment.rglob("*.dist-info")])


def how_calm(load: float, cores: int | None = None) -> str:
    """Say whether others were at work: then sizes hold, and times are too long.

    Args:
        load: Average load of the minute before.
        cores: How many there are to share; by default those of this process.

    Example:
        >>> how_calm(0.1, 2)
        'The machine had little else to do: load 0.1 on 2 cores.'
    """
    cores = cores or len(os.sched_getaffinity(0))
    if load < 0.25 * cores:
        return f"The machine had little else to do: load {load:.1f} on {cores} cores."
    return f"The machine was busy: load {load:.1f} on {cores} cores. Times are too long."


def row_of(name: str, contender: Contender, found: list[FirstAnswer]) -> dict[str, object]:
    """A line of the result: medians, and all that was measured."""
    total = [one.install_s + one.answer_s for one in found]
    right = all(one.right for one in found)
    row: dict[str, object] = {
        "name": name,
        "right": right,
        "to_first_right_answer_s": round(median(total), 1) if right else None,
        "install_s": round(median(one.install_s for one in found), 1),
        "answer_s": round(median(one.answer_s for one in found), 1) if right else None,
        "size_mb": found[-1].size_mb,
        "packages": found[-1].packages,
        "expected": contender.right,
        "rounds": [asdict(one) for one in found],
    }
    after = f"right after {row['to_first_right_answer_s']} s" if right else "no right answer"
    note(f"{name}: {after}, installed in {row['install_s']} s, {found[-1].size_mb} MB")
    for reason in sorted(
        {one.reason or f"It said: {one.answer}" for one in found if not one.right}
    ):
        note(f"  {reason}")
    return row


@click.command()
@click.option("--of", "names", multiple=True, type=click.Choice(list(CONTENDERS)),
              help="Contender, may be given again. [default: all]")  # fmt: skip
@click.option("--before", type=click.Path(exists=True, file_okay=False, path_type=Path),
              metavar="CHECKOUT", help="Another checkout to install beside.")  # fmt: skip
@click.option("--folder", type=click.Path(exists=True, file_okay=False, path_type=Path),
              metavar="DIR", help="Where environments are made. [default: temporary]")  # fmt: skip
@click.option("--rounds", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("-o", "--out", metavar="FILE", help="Write the result to this file, as JSON.")
def command(
    names: tuple[str, ...], before: Path | None, folder: Path | None, rounds: int, out: str | None
) -> None:
    """From pip install in a fresh environment to the first right answer, beside others.

    Needs a package index, or a cache of pip that has what is asked for, and several gigabytes.

    \b
    Example:
      git worktree add ../before v0.1.0
      har-bench experiment first-answer --of har-edge --before ../before --rounds 3
      har-bench experiment first-answer --out first-answer.json
    """
    chosen = {name: CONTENDERS[name] for name in names or CONTENDERS}
    if before:
        chosen["har-edge before"] = Contender(str(before.resolve()), HAR_EDGE, "sitting")

    load = os.getloadavg()[0]  # before there is any of ours

    def ask(name: str) -> FirstAnswer:
        note(f"Installing and asking {name}")
        return first_answer(chosen[name], PICTURE, folder)

    answers = in_turns(
        {name: partial(ask, name) for name in chosen}, rounds, warmup=int(rounds > 1)
    )
    rows = [row_of(name, chosen[name], answers[name]) for name in chosen]
    write_result(
        {
            "what": "pip install in a fresh environment, then one question, a process each, in "
            "turns; pip's cache as it was; medians",
            "picture": PICTURE.name,
            "python": sys.version.split()[0],
            "revision": git_revision(),
            **({"before": git_revision(before)} if before else {}),
            "warmup": int(rounds > 1),
            "calm": how_calm(load),
            "machine": machine_facts(),
            "rows": rows,
        },
        out,
    )
