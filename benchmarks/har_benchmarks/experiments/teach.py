"""What does teaching an action cost the others, and how well is it known afterwards?

    har-bench experiment teach background MODEL DATA FOLDER... [--out NPZ]
    har-bench experiment teach measure DATA [--out JSON]

`background` makes the file that the package carries for a bundled model: what its training data
look like, from files in FOLDERs that its list of held-out predictions does not name.

`measure` teaches har15, which knows single pictures, three actions of UCF101 from five windows
each, and tests on clips of other groups (other people, other places), with the original actions
judged on har15's held-out photos. The threshold was chosen on even-numbered photos and the first
seeds; the figures to quote are of odd-numbered photos and other seeds. (6.5 was the first choice:
on odd-numbered photos it cost 0.5 to 0.9 points on average, but 1.1 in the worst trial. It was
raised once, to 7: 0.4 to 0.8 points on average, still 1.1 in the worst trial of 24.)
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import click
import numpy as np

import har_edge.recognition.taught
from har_benchmarks.experiments.result import write_result
from har_benchmarks.results.document import file_facts
from har_edge.arrays import FloatArray
from har_edge.commands.harness import note
from har_edge.errors import DataError
from har_edge.machine.facts import machine_facts
from har_edge.media import find_media
from har_edge.model.catalogue import bundled_for
from har_edge.model.loaded import LoadedModel, load_model
from har_edge.recognition.taught import EVIDENCE, Background, Taught, TaughtModel, describe
from har_edge.recognition.taught_file import packaged_background, write_background
from har_edge.run_folder import PREDICTIONS_NAME, bundled_run
from har_edge.sources.clips import load_frames, window_indices

ACTIONS = ("BabyCrawling", "Punch", "PushUps")
TAUGHT_WINDOWS = 5
TEST_FRAMES = 8
SEEDS = 8
WAYS = ("5 clips, 1 window each", "1 clip, 5 windows", "5 clips, all windows")

folder = click.Path(exists=True, file_okay=False, path_type=Path)


@click.group()
def command() -> None:
    """Measure taught actions, and make the background that they are compared with.

    \b
    Examples:
      har-bench experiment teach background clips DATA ucf101 bed_fall --out clips-background.npz
      har-bench experiment teach measure DATA --out teach.json
    """


@command.command()
@click.argument("model_name", metavar="MODEL")
@click.argument("data", type=folder, required=False)
@click.argument("folders", nargs=-1)
@click.option(
    "--count", type=int, default=1500, show_default=True, help="Number of windows to keep."
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="File to write; defaults to the package's own."
)
def background(
    model_name: str, data: Path | None, folders: tuple[str, ...], count: int, out: Path | None
) -> None:
    """Make a background file from MODEL's training data in FOLDERS of DATA.

    For a model of poses, without DATA, from the windows that it was calibrated on.
    """
    model = load_model(model_name, num_threads=2)
    if model.spec.needs_people:
        windows = [describe(window) for window in calibration_windows(model_name)]
    elif data is None or not folders:
        raise click.UsageError("A model of pixels needs DATA and FOLDERS.")
    else:
        windows = windows_of(model, model_name, data, folders, count)
    path = out or model.path.with_name(f"{model.spec.name}-background.npz")
    write_background(model, Background.of(np.stack(windows)), path)
    note(f"{len(windows)} windows to {path.name}, {path.stat().st_size} bytes")


def calibration_windows(model_name: str) -> FloatArray:
    """The windows of rows, (M, T, D), that come with a bundled model of poses."""
    run = bundled_run(model_name)
    if run is None:
        raise DataError(
            "The windows that a bundled model was calibrated on should be installed. Received "
            "none. pip install 'har-edge[convert]'."
        )
    with np.load(run / "representative.npz", allow_pickle=False) as found:
        return np.asarray(found["rows"][found["windows"]], np.float32)


def windows_of(
    model: LoadedModel, model_name: str, data: Path, folders: Sequence[str], count: int
) -> list[FloatArray]:
    """Described windows, `count` of them or all, of what MODEL may be trained on in FOLDERS."""
    held_out = {row["path"] for row in held_out_rows(model_name)}
    names = sorted(
        path.relative_to(data).as_posix() for name in folders for path in find_media(data / name)
    )
    names = [name for name in names if name not in held_out]
    np.random.default_rng(0).shuffle(names)
    windows: list[FloatArray] = []
    for name in names:
        windows += described(model, data / name, apart=model.spec.clip.num_frames)
        if len(windows) >= count:
            break
    return windows


@command.command()
@click.argument("data", type=folder)
@click.option("--out", type=click.Path(path_type=Path), help="JSON file to write.")
def measure(data: Path, out: Path | None) -> None:
    """Teach har15 three actions of UCF101 in DATA, in several ways."""
    model = load_model("har15", num_threads=2)
    photos = encode_photos(model, data)
    clips = encode_clips(model, data)
    note(f"{len(photos.labels)} photos, {len(clips)} clips")
    choice = {
        f"{level:g}": summarise(
            [trial(model, photos.part(0), clips, seed, WAYS[0], level) for seed in range(SEEDS)]
        )
        for level in (4.0, 5.0, 5.5, 6.0, 6.5, 7.0)
    }
    ways: dict[str, dict[str, object]] = {}
    for way in WAYS:
        trials = [
            trial(model, photos.part(1), clips, seed, way) for seed in range(100, 100 + SEEDS)
        ]
        ways[way] = {**summarise(trials), "trials": trials}
        click.echo(f"{way}: " + ", ".join(f"{k} {v:.3g}" for k, v in summarise(trials).items()))
    facts = {
        "model": file_facts(model.path),
        "evidence": EVIDENCE,
        "ways": ways,
        "choice_of_evidence": choice,
        "machine": machine_facts(),
    }
    write_result(facts, out)


@dataclass(frozen=True)
class Photos:
    """Held-out photos of the original actions: features (N, D), labels, and answers (N, C)."""

    features: FloatArray
    labels: list[str]
    answers: FloatArray

    def part(self, remainder: int) -> Photos:
        """Every second photo."""
        return Photos(
            self.features[remainder::2], self.labels[remainder::2], self.answers[remainder::2]
        )


def held_out_rows(model_name: str) -> list[dict[str, str]]:
    """Rows of the list of held-out predictions that comes with a bundled model."""
    known = bundled_for(people=False)
    run = bundled_run(model_name) if model_name in known else None
    if run is None:
        raise DataError(
            f"The model should be one of {', '.join(known)}, whose held-out predictions are "
            f"known. Received '{model_name}'. Give one of them."
        )
    with (run / PREDICTIONS_NAME).open(encoding="utf-8", newline="") as table:
        return list(csv.DictReader(table))


def described(model: LoadedModel, path: Path, *, apart: int) -> list[FloatArray]:
    """All windows of a file, so many frames apart, described."""
    features = np.stack([model.encode(frame) for frame in load_frames(path, model.spec.clip)])
    windows = window_indices(len(features), model.spec.clip.num_frames, apart)
    return [describe(features[window]) for window in windows]


def encode_photos(model: LoadedModel, data: Path) -> Photos:
    """Encode all held-out photos."""
    rows = held_out_rows("har15")
    features = np.stack([described(model, data / row["path"], apart=1)[0] for row in rows])
    answers = np.stack([model.classify(vector[np.newaxis]) for vector in features])
    return Photos(features, [row["label"] for row in rows], answers)


@dataclass(frozen=True)
class Clip:
    """A clip: features of all frames (F, D), of those to test (P, D), answers to these (P, C)."""

    features: FloatArray
    probes: FloatArray
    answers: FloatArray


def encode_clips(model: LoadedModel, data: Path) -> dict[str, Clip]:
    """Encode all clips of the actions to teach, by path."""
    paths = [path for action in ACTIONS for path in sorted((data / "ucf101" / action).iterdir())]
    clips = {}
    for path in paths:
        features = np.stack(described(model, path, apart=1))
        probes = spread(features, TEST_FRAMES)
        answers = np.stack([model.classify(vector[np.newaxis]) for vector in probes])
        clips[path.relative_to(data).as_posix()] = Clip(features, probes, answers)
    return clips


def trial(
    model: LoadedModel,
    photos: Photos,
    clips: dict[str, Clip],
    seed: int,
    way: str,
    evidence: float = EVIDENCE,
) -> dict[str, float]:
    """Teach clips of a few groups, test on clips of all others."""
    random = np.random.default_rng(seed)
    background = packaged_background(model)
    assert background is not None
    taught = Taught(model.spec.model_sha256, background)
    tests: dict[str, list[Clip]] = {}
    for action in ACTIONS:
        names = [name for name in clips if f"/{action}/" in name]
        groups = sorted({group_of(name) for name in names})
        count = 1 if way == WAYS[1] else TAUGHT_WINDOWS
        chosen = set(random.choice(groups, count, replace=False).tolist())
        recorded = [random.choice([n for n in names if group_of(n) == g]) for g in sorted(chosen)]
        taught = taught.with_action(
            action, windows_to_teach([clips[n].features for n in recorded], way)
        )
        tests[action] = [clips[n] for n in names if group_of(n) not in chosen]
    with mock.patch.object(har_edge.recognition.taught, "EVIDENCE", evidence):
        return {"seed": seed, **judge(TaughtModel(model, taught), photos, tests)}


def windows_to_teach(recorded: list[FloatArray], way: str) -> FloatArray:
    """What is taken of the recorded clips, each (F, D)."""
    if way == WAYS[0]:
        return np.stack([clip[len(clip) // 2] for clip in recorded])
    return spread(recorded[0], TAUGHT_WINDOWS) if way == WAYS[1] else np.concatenate(recorded)


def judge(model: TaughtModel, photos: Photos, tests: dict[str, list[Clip]]) -> dict[str, float]:
    """Accuracy of taught windows and clips, and what the original actions lost."""
    labels = model.spec.labels
    before = np.array([labels[i] for i in photos.answers.argmax(axis=1)])
    extended = extend(model.taught, photos.answers, photos.features)
    after = np.array([labels[int(answer.argmax())] for answer in extended])
    truth = np.array(photos.labels)
    result = {"loss_points": 100 * float(np.mean(before == truth) - np.mean(after == truth))}
    by_window, by_clip = {}, {}
    for action, clips in tests.items():
        answers = [extend(model.taught, clip.answers, clip.probes) for clip in clips]
        place = labels.index(action)
        by_window[action] = float(np.mean(np.concatenate(answers).argmax(axis=1) == place))
        by_clip[action] = float(np.mean([a.mean(axis=0).argmax() == place for a in answers]))
    result["window_accuracy"] = float(np.mean(list(by_window.values())))
    result["clip_accuracy"] = float(np.mean(list(by_clip.values())))
    return result | {f"clip_accuracy_{action}": value for action, value in by_clip.items()}


def extend(taught: Taught, answers: FloatArray, vectors: FloatArray) -> FloatArray:
    """Add taught actions to each of many answers, (N, C) to (N, C + K)."""
    return np.stack([taught.extend(a, v) for a, v in zip(answers, vectors, strict=True)])


def summarise(trials: list[dict[str, float]]) -> dict[str, float]:
    """Means over seeds, and the worst of what has a bar to meet."""
    names = [name for name in trials[0] if name != "seed"]
    means = {name: float(np.mean([t[name] for t in trials])) for name in names}
    return {
        **means,
        "worst_loss_points": max(t["loss_points"] for t in trials),
        "worst_clip_accuracy": min(t["clip_accuracy"] for t in trials),
    }


def spread(clip: FloatArray, count: int) -> FloatArray:
    """So many frames of a clip, evenly spread."""
    return np.asarray(clip[np.linspace(0, len(clip) - 1, count).round().astype(int)])


def group_of(name: str) -> str:
    """UCF101's group, one person in one place."""
    found = re.search(r"_g(\d+)_", name)
    assert found, name
    return found[1]
