"""The training of `locate` from a published network: labels, features, a narrower top, heads."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from har_edge.arrays import FloatArray, Pixels
from har_edge.datasets import Sample
from har_edge.errors import DataError
from har_edge.frames.frame import KEYPOINTS
from har_edge.model.people_spec import PeopleSpec
from har_edge.paths import display_path
from har_edge.run_folder import MODEL_NAME
from har_edge.say import Say
from har_train.model.network import import_keras
from har_train.model.types import KerasModel
from har_train.people.cells import Cells, choose_cells
from har_train.people.decode import MAX_PEOPLE, decode_people, join_decoder
from har_train.people.evaluate import best_threshold
from har_train.people.features import Backbone, Features, cache_features, load_features
from har_train.people.fine_tune import FineTuning, fine_tune
from har_train.people.heads import train_heads
from har_train.people.labels import Labelled, label_samples, load_pictures
from har_train.people.network import (
    HEADS,
    MAPS,
    SLIM_TOP,
    Top,
    build_above,
    build_network,
)
from har_train.people.published import load_published, published_alpha, read_graph
from har_train.people.slim import copy_weights, fit_slim_top, refine_top
from har_train.people.teachers import Teacher
from har_train.people.views import View, move_people, show
from har_train.run_folder import whole_folder

# What the fit of the narrow top looks at, views of training pictures.
TOP_VIEWS = 500
CALIBRATION_FRAMES, HELD_OUT_FRAMES = 64, 150
THRESHOLD_FILES = 40  # of `val`, that the threshold is chosen on
TUNED_THRESHOLD_FILES = 100  # of `val`, after fine-tuning
THRESHOLDS = tuple(float(t) for t in np.round(np.arange(0.1, 0.7, 0.04), 2))
FINAL_THRESHOLD = 0.5

Bar = Callable[[int, str, str], Callable[[int], object]]


@dataclass(frozen=True)
class PeopleConfig:
    """What a training is made from.

    Attributes:
        start: Published graph, a TensorFlow.js JSON file; not read if there are `weights`.
        detector, pose: The teachers' TFLite files.
        work: Folder of labels and features, from which an interrupted training goes on.
        name: Name of the network.
        side: Sides of the input in pixels, a multiple of 32.
        hidden, filters: Of the narrow top, see `Top`.
        top_epochs: Passes over the views that the narrow top is refined on.
        epochs: Passes over the chosen cells.
        weights: Run folder of an earlier training whose network is fine-tuned, or "".
        fine_tune: Passes of the whole network over all files, one view each; 0 for none.
        frozen: Blocks of the backbone that stay as they are in these.
        seed: Of choices, order and views.
        description, license: Stand in the spec.
    """

    start: str
    detector: str
    pose: str
    work: str
    name: str = "people"
    side: int = 256
    hidden: int = SLIM_TOP.hidden
    filters: int = SLIM_TOP.filters
    top_epochs: int = 12
    epochs: int = 20
    weights: str = ""
    fine_tune: float = 0.0
    frozen: int = 5
    seed: int = 0
    description: str = "Finds people in a picture, with boxes and 17 keypoints."
    license: str = ""

    def __post_init__(self) -> None:
        if self.side % 32 or not 64 <= self.side <= 1024:
            raise DataError(
                f"side should be a multiple of 32 from 64 to 1024 pixels. Received {self.side}. "
                "Use 256, for example."
            )


def label_all(
    samples: Sequence[Sample], config: PeopleConfig, bar: Bar
) -> dict[str, list[Labelled]]:
    """Have the teachers label all files, by the part that they are in."""
    teacher = Teacher(config.detector, config.pose)
    work = Path(config.work)
    work.mkdir(parents=True, exist_ok=True)
    tick = bar(len(samples), "Labelling", "file")
    labelled = label_samples(samples, teacher, work / "labels.jsonl", tick)
    return {
        split: [x for x in labelled if (x.sample.split or "train") == split]
        for split in ("train", "val", "test")
    }


def train_people(
    samples: Sequence[Sample], config: PeopleConfig, out: Path, say: Say, bar: Bar
) -> Mapping[str, float]:
    """Train a network and write its run folder.

    Args:
        samples: Stills and clips with splits; `val` chooses the threshold and is what conversion
            verifies on, `test` is left alone.
        config: See there.
        out: The run folder, missing or empty.
        say: Takes a line for every step.
        bar: Opens a progress bar: total, title, unit.

    Returns:
        What was measured on the way.

    Raises:
        DataError: if a file of the start or of the teachers is none, or a part holds no people.
        OutputError: if the folder cannot be written.
    """
    parts = label_all(samples, config, bar)
    for split in ("train", "val"):
        if not any(len(p) for x in parts[split] for p in x.people):
            raise DataError(
                f"The part '{split}' should show people. The teachers found none in "
                f"{len(parts[split])} files. Add pictures, or give a manifest with splits."
            )
    if config.weights:
        network, metrics = load_maps(config.weights, config.side), dict[str, float]()
    else:
        network, metrics = start_network(parts, config, say, bar)
    if config.fine_tune:
        metrics |= _fine_tune(network, parts, config, say, bar)
    with whole_folder(out) as folder:
        _write(network, metrics, parts, config, folder)
    return metrics


def start_network(
    parts: Mapping[str, Sequence[Labelled]], config: PeopleConfig, say: Say, bar: Bar
) -> tuple[KerasModel, dict[str, float]]:
    """Make the published network narrower and train its heads, the backbone as it is.

    Args:
        parts: Labelled files, `train` and `val`.
        config, say, bar: See `train_people`.

    Raises:
        DataError: if the start is no such graph.
    """
    graph = read_graph(config.start)
    published = build_network(config.side, config.side, published_alpha(graph))
    missing = load_published(published, graph)
    if missing:
        raise DataError(
            f"The start should have heads for {', '.join(HEADS)}. Received a graph without "
            f"{', '.join(missing)}. Give movenet-multipose.json."
        )
    say("preparing the backbone")
    backbone, work = Backbone(published), Path(config.work) / f"features-{config.side}"
    chosen = {"val": parts["val"][:THRESHOLD_FILES], "train": parts["train"]}
    files = {
        split: cache_features(
            entries, backbone, work, bar(len(entries), f"Encoding {split}", "file")
        )
        for split, entries in chosen.items()
    }
    return fit_network(published, graph, files, config, say)


def load_maps(run: str, side: int) -> KerasModel:
    """The network of a run folder, without the decoder.

    Args:
        run: Folder that `train_people` wrote.
        side: Of the input that it should take.

    Raises:
        DataError: if there is none in it, or of another size.
    """
    keras, path = import_keras(), Path(run) / MODEL_NAME
    try:
        whole = keras.models.load_model(path, compile=False)
        maps: KerasModel = whole.get_layer(MAPS)
        found = maps.input_shape[1:3]
    # Keras raises whatever zipfile, h5py and its own registry raise.
    except Exception as error:
        raise DataError(
            f"{display_path(path)} should be a network of har-train people. Received something "
            f"else ({error}). Give a run folder of har-train people."
        ) from error
    if found != (side, side):
        raise DataError(
            f"{display_path(path)} should take {side} x {side} pixels. Received {found[0]} x "
            f"{found[1]}. Give --side {found[0]}."
        )
    return maps


def _fine_tune(
    network: KerasModel,
    parts: Mapping[str, Sequence[Labelled]],
    config: PeopleConfig,
    say: Say,
    bar: Bar,
) -> dict[str, float]:
    """Train the whole network, and shift its scores so that the best threshold is a half."""
    tuning = FineTuning(config.fine_tune, frozen=config.frozen, seed=config.seed)
    steps = tuning.steps(len(parts["train"]))
    say(f"fine-tuning: {steps} steps of {tuning.batch} views")

    def report(step: int, loss: float) -> None:
        say(f"step {step} of {steps}: loss {loss:.3f}")

    state, tick = Path(config.work) / "fine-tune.npz", bar(steps, "Fine-tuning", "step")
    losses = fine_tune(network, parts["train"], tuning, state, tick, report)
    chosen = parts["val"][:: max(1, len(parts["val"]) // TUNED_THRESHOLD_FILES)]
    pairs = _pairs(network, chosen, bar(len(chosen), "Choosing a threshold", "file"))
    threshold = best_threshold(pairs, THRESHOLDS)
    say(f"the best threshold is {threshold:g}; scores are shifted so that it is a half")
    _shift_scores(network, threshold)
    metrics = {"fine_tune_passes": config.fine_tune, "fine_tune_threshold_before": threshold}
    return metrics | ({"fine_tune_loss": float(np.mean(losses[-50:]))} if losses else {})


def fit_network(
    published: KerasModel,
    graph: Mapping[str, FloatArray],
    files: Mapping[str, Sequence[Path]],
    config: PeopleConfig,
    say: Say,
) -> tuple[KerasModel, dict[str, float]]:
    """Fit the narrow top, train the heads, and set the threshold to a half.

    Args:
        published: The network with the graph's weights.
        graph: Those weights.
        files: Features of the parts `train` and `val`, see `cache_features`.
        config: See there.
        say: Takes a line for every step.
    """
    alpha, top = published_alpha(graph), Top(config.hidden, config.filters)
    network = build_network(config.side, config.side, alpha, top)
    copy_weights(published, network)
    say("fitting the narrow top")
    coarse, target = _top_arrays(files["train"])
    explained = fit_slim_top(published, network, coarse, target)
    say(f"the narrow top explains {explained:.1%} of what the wide one gives")
    above = build_above(config.side, config.side, alpha, top)
    copy_weights(network, above)
    say("refining the narrow top")
    explained = refine_top(above, coarse, target, config.top_epochs, config.seed)
    say(f"the narrow top explains {explained:.1%} of what the wide one gives")
    say("choosing cells")
    cells = _collect_cells(above, files["train"], config.seed)
    say(f"training the heads on {len(cells)} cells")

    def tick(epoch: int, loss: float) -> None:
        say(f"epoch {epoch} of {config.epochs}: loss {loss:.3f}")

    losses = train_heads(above, cells, config.epochs, seed=config.seed, tick=tick)
    threshold = _choose_threshold(above, files["val"])
    say(f"the best threshold is {threshold:g}; scores are shifted so that it is a half")
    _shift_scores(above, threshold)
    copy_weights(above, network)
    metrics = {
        "top_explained": explained,
        "cells": float(len(cells)),
        "loss": losses[-1],
        "threshold_before_shift": threshold,
    }
    return network, metrics


def _top_arrays(files: Sequence[Path]) -> tuple[FloatArray, FloatArray]:
    coarse, target, views = list[FloatArray](), list[FloatArray](), 0
    for features in load_features(files):
        coarse.append(features.taps[-1].astype(np.float32))
        target.append(features.target.astype(np.float32))
        views += len(features.target)
        if views >= TOP_VIEWS:
            break
    return np.concatenate(coarse), np.concatenate(target)


def _collect_cells(above: KerasModel, files: Sequence[Path], seed: int) -> Cells:
    keras = import_keras()
    pyramid = above.get_layer("smooth_2_relu").output
    seen = keras.Model(above.input, [pyramid, above.get_layer("center_out").output])
    random = np.random.default_rng(seed)
    parts = []
    for features in load_features(files):
        maps, centers = seen.predict_on_batch([t.astype(np.float32) for t in features.taps])
        for view, people in enumerate(features.people):
            center = np.asarray(centers[view])[..., 0]
            parts.append(choose_cells(np.asarray(maps[view]), center, people, random))
    return Cells.join(parts)


def _choose_threshold(above: KerasModel, files: Sequence[Path]) -> float:
    keras = import_keras()
    inputs = [keras.Input(t.shape[1:], batch_size=1) for t in keras.tree.flatten(above.input)]
    finder = keras.Model(inputs, decode_people(keras, keras.tree.flatten(above(inputs))))
    pairs = []
    for features in load_features(files):
        for view in _plain_views(features):
            taps = [t[view : view + 1].astype(np.float32) for t in features.taps]
            found = np.asarray(finder.predict_on_batch(taps))[0]
            pairs.append((features.people[view], found))
    return best_threshold(pairs, THRESHOLDS)


def _pairs(
    network: KerasModel, labelled: Sequence[Labelled], tick: Callable[[int], object]
) -> list[tuple[FloatArray, FloatArray]]:
    """People of the teacher and of the network in plain views."""
    keras = import_keras()
    inputs = [keras.Input(t.shape[1:], batch_size=1) for t in keras.tree.flatten(network.output)]
    decoder, side = keras.Model(inputs, decode_people(keras, inputs)), network.input_shape[1]
    pairs = []
    for entry in labelled:
        for picture, people in zip(load_pictures(entry.sample), entry.people, strict=True):
            frame = show(picture, View(), side)[np.newaxis].astype(np.float32)
            found = decoder.predict_on_batch(network.predict_on_batch(frame / 127.5 - 1))
            wanted = move_people(people, View(), *picture.shape[:2])
            pairs.append((wanted, np.asarray(found)[0]))
        tick(1)
    return pairs


def _plain_views(features: Features) -> range:
    """Numbers of the views that show whole pictures; each is followed by one drawn at random."""
    return range(0, len(features.people), 2)


def _shift_scores(network: KerasModel, threshold: float) -> None:
    """Move the logits of middles so that a threshold becomes `FINAL_THRESHOLD`."""
    layer = network.get_layer("center_out")
    kernel, bias = layer.get_weights()
    shift = np.log(threshold / (1 - threshold))
    layer.set_weights([kernel, (bias - shift).astype(np.float32)])


def _write(
    network: KerasModel,
    metrics: Mapping[str, float],
    parts: Mapping[str, Sequence[Labelled]],
    config: PeopleConfig,
    folder: Path,
) -> None:
    join_decoder(network).save(folder / MODEL_NAME)
    spec = PeopleSpec(
        name=config.name,
        height=config.side,
        width=config.side,
        num_people=MAX_PEOPLE,
        keypoints=KEYPOINTS,
        score_threshold=FINAL_THRESHOLD,
        backbone="mobilenet_v2",
        metrics=dict(metrics),
        description=config.description,
        license=config.license,
    )
    (folder / "people.json").write_text(spec.to_json(), encoding="utf-8")
    (folder / "config.json").write_text(json.dumps(asdict(config), indent=2), encoding="utf-8")
    frames, _ = _inputs(parts["train"], CALIBRATION_FRAMES, config.side)
    np.savez_compressed(folder / "representative.npz", frames=frames)
    frames, people = _inputs(parts["val"], HELD_OUT_FRAMES, config.side)
    boxes = [p[p[:, 0] >= FINAL_THRESHOLD, 1:5] for p in people]
    numbers = np.repeat(np.arange(len(boxes)), [len(b) for b in boxes])
    np.savez_compressed(
        folder / "held_out.npz", frames=frames, boxes=np.concatenate(boxes), box_of=numbers
    )


def _inputs(labelled: Sequence[Labelled], most: int, side: int) -> tuple[Pixels, list[FloatArray]]:
    """Some pictures, evenly spread over files and letterboxed, with their people."""
    chosen = np.unique(np.linspace(0, len(labelled) - 1, most).astype(int))
    frames, people = list[Pixels](), list[FloatArray]()
    for number, i in enumerate(chosen):
        pictures = load_pictures(labelled[i].sample)
        which = number % len(pictures)
        picture = pictures[which]
        frames.append(show(picture, View(), side))
        people.append(move_people(labelled[i].people[which], View(), *picture.shape[:2]))
    return np.stack(frames), people
