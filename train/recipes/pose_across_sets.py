"""Which actions does a head that sees poses alone know on sets of skeletons it never saw?

    python train/recipes/pose_across_sets.py SKELETONS [--head lstm] [--folds 6] [--out RESULT.json]

SKELETONS is a folder of `.npz` sets (their form: `har_train.skeletons.sets`). Sets are dealt into
folds; each fold's sets are judged by a head that was trained on all others, on one view of each
sequence. Labels that two sets have are told apart, and `other` from them. Views are made once for
each seed and kept in HAR_CACHE_DIR; a fold's answers are kept beside RESULT.json, so that a run
that is cut off goes on.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from har_edge.arrays import FloatArray
from har_edge.files import open_whole
from har_edge.paths import cache_folder
from har_edge.progress import Progress
from har_edge.statistics import share_interval
from har_edge.table import text_table
from har_train.config import FitConfig
from har_train.model.network import HEADS, build_classifier, import_keras
from har_train.skeletons.numbers import ROW_SIZE
from har_train.skeletons.sets import Skeleton, load_skeletons
from har_train.skeletons.views import ViewSettings, random_view

OTHER = "other"
BATCH = 64


@click.command()
@click.argument("skeletons", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--head", type=click.Choice(sorted(HEADS)), default="lstm", show_default=True)
@click.option("--units", type=click.IntRange(min=1), default=64, show_default=True)
@click.option("--folds", type=click.IntRange(min=2), default=6, show_default=True)
@click.option("--views", type=click.IntRange(min=1), default=4, show_default=True,
              help="Views of each sequence that are trained on.")  # fmt: skip
@click.option("--epochs", type=click.IntRange(min=1), default=30, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="JSON file to write.")
def main(
    skeletons: Path,
    head: str,
    units: int,
    folds: int,
    views: int,
    epochs: int,
    seed: int,
    out: Path | None,
) -> None:
    """Judge a head for poses on sets that it never saw."""
    sets = {path.stem: load_skeletons(path) for path in sorted(skeletons.glob("*.npz"))}
    labels = shared_labels(sets)
    everyone = [s for one in sets.values() for s in one if s.label in (*labels, OTHER)]
    pictures = [make_views(everyone, seed * 1000 + number) for number in range(views + 1)]
    config = FitConfig.of(
        data=str(skeletons), num_frames=ViewSettings().num_frames, head=head, lstm_units=units,
        dense_units=(), dropout=0.2, feature_dropout=0.1, epochs=epochs, seed=seed,
    )  # fmt: skip
    answers = np.full(len(everyone), -1)
    for fold, names in enumerate(deal(sets, folds)):
        kept = None if out is None else out.with_suffix(f".fold{fold}.npy")
        held = np.array([s.source in names for s in everyone])
        if kept is not None and kept.is_file():
            answers[held] = np.load(kept)
        else:
            answers[held] = train_and_answer(everyone, pictures, labels, held, config)
            if kept is not None:
                np.save(kept, answers[held])
        click.echo(f"fold {fold + 1} of {folds}: {', '.join(names)}", err=True)
    rows = figures(everyone, answers, labels)
    head_row = ("label", "sets", "sequences", "recall", "low", "high", "precision")
    shown = [[row[name] if name in ("label", "sets", "sequences") else f"{row[name]:.2f}"
              for name in head_row] for row in rows]  # fmt: skip
    click.echo(text_table(shown, head_row))
    macro = float(np.mean([float(row["recall"]) for row in rows]))
    click.echo(f"macro recall of {len(rows)} labels: {macro:.3f}")
    if out:
        facts = {"head": head, "units": units, "folds": folds, "views": views, "epochs": epochs,
                 "seed": seed, "window": asdict(ViewSettings()), "macro_recall": macro,
                 "labels": rows}  # fmt: skip
        with open_whole(out) as file:
            file.write((json.dumps(facts, indent=2) + "\n").encode())


def shared_labels(sets: dict[str, list[Skeleton]]) -> tuple[str, ...]:
    """Labels that at least two sets have, each with ten sequences or more."""
    counts: Counter[str] = Counter()
    for one in sets.values():
        found = Counter(skeleton.label for skeleton in one)
        counts.update(label for label, number in found.items() if number >= 10)
    return tuple(
        sorted(label for label, number in counts.items() if number >= 2 and label != OTHER)
    )


def deal(sets: dict[str, list[Skeleton]], folds: int) -> list[list[str]]:
    """Deal sets into folds, the largest first and each to the smallest fold."""
    dealt: list[list[str]] = [[] for _ in range(folds)]
    sizes = [0] * folds
    for name in sorted(sets, key=lambda name: (-len(sets[name]), name)):
        smallest = sizes.index(min(sizes))
        dealt[smallest].append(name)
        sizes[smallest] += len(sets[name])
    return dealt


def make_views(everyone: Sequence[Skeleton], seed: int) -> FloatArray:
    """One view of each sequence, (N, T, ROW_SIZE); kept for the next time."""
    settings = ViewSettings()
    names = [(s.source, s.label, s.group, len(s.joints)) for s in everyone]
    known = json.dumps([names, asdict(settings), seed, ROW_SIZE]).encode()
    path = cache_folder() / f"views-{hashlib.sha256(known).hexdigest()[:16]}.npy"
    if path.is_file():
        return np.asarray(np.load(path, allow_pickle=False), np.float32)
    random = np.random.default_rng(seed)
    found = []
    with Progress(len(everyone), f"Seeing (view {seed})", "sequence") as progress:
        for skeleton in everyone:
            found.append(random_view(skeleton, settings, random))
            progress()
    views = np.stack(found)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open_whole(path) as file:
        np.save(file, views)
    return views


def train_and_answer(
    everyone: Sequence[Skeleton],
    pictures: Sequence[FloatArray],
    labels: tuple[str, ...],
    held: NDArray[np.bool_],
    config: FitConfig,
) -> NDArray[np.int64]:
    """Train on the sequences that are not held out, answer those that are.

    Args:
        everyone: All sequences.
        pictures: Views of them; the last is for judging.
        labels: What is told apart; `other` comes last.
        held: Which sequences are held out, (N,).
        config: Head and epochs.

    Returns:
        Number of the label for each sequence that is held out.
    """
    keras = import_keras()
    keras.utils.set_random_seed(config.training.seed)
    names = [*labels, OTHER]
    targets = np.array([names.index(s.label) for s in everyone])
    model = build_classifier(len(names), ROW_SIZE, config)
    steps = -(-int((~held).sum()) // BATCH) * config.training.epochs
    rate = keras.optimizers.schedules.CosineDecay(2e-3, steps)
    model.compile(keras.optimizers.AdamW(rate, 1e-3), "sparse_categorical_crossentropy")
    counts = np.bincount(targets[~held], minlength=len(names))
    # Rare labels count more, but not as much as if all were equally common.
    weights = (1 / np.sqrt(np.maximum(counts, 1)))[targets]
    weights /= weights[~held].mean()
    for epoch in range(config.training.epochs):
        view = pictures[epoch % (len(pictures) - 1)]
        model.fit(
            view[~held], targets[~held], sample_weight=weights[~held],
            batch_size=BATCH, epochs=1, verbose=0,
        )  # fmt: skip
    answers: NDArray[np.int64] = model.predict(pictures[-1][held], BATCH, verbose=0).argmax(axis=1)
    return answers


def figures(
    everyone: Sequence[Skeleton], answers: NDArray[np.int64], labels: tuple[str, ...]
) -> list[dict[str, float | str]]:
    """Recall, with its 95 % interval over groups, and precision of each label."""
    found = []
    truth = np.array([s.label for s in everyone])
    for number, label in enumerate(labels):
        chosen = truth == label
        hits = answers[chosen] == number
        groups = [s.group for s in everyone if s.label == label]
        low, high = share_interval(hits, groups)
        said = answers == number
        row: dict[str, float | str] = {
            "label": label,
            "sets": len({s.source for s in everyone if s.label == label}),
            "sequences": int(chosen.sum()),
            "recall": float(hits.mean()),
            "low": low,
            "high": high,
            "precision": float(chosen[said].mean()) if said.any() else 0.0,
        }
        found.append(row)
    return found


if __name__ == "__main__":
    main()
