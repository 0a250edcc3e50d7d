"""Fine-tuning of the whole network of `locate` on views that are drawn anew at every step.

The layers up to one of the backbone's taps stay as they are: the finest maps cost most and say
least about people. Batch norms keep their statistics. The result is the moving average of the
weights. The state is on the disk every few minutes; a training that was killed goes on from there
and ends with the same weights, on one thread to the bit.
"""

from __future__ import annotations

import hashlib
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

import numpy as np

from har_edge.errors import DataError
from har_edge.files import open_whole
from har_edge.paths import display_path
from har_train.model.network import import_keras
from har_train.model.types import Array, KerasModel, Optimizer, Tensor, Variable
from har_train.people.draws import Batch, draw_batch
from har_train.people.labels import Labelled
from har_train.people.losses import focal_loss, people_loss
from har_train.people.network import HEADS, NUM_KEYPOINTS, STRIDE, TAPS
from har_train.people.targets import NEAR

# How many blocks of the backbone may stay as they are: none, or up to one of `TAPS`.
FROZEN_BLOCKS = (0, 2, 5, 9)
# Weights of the losses of the heads that refine keypoints.
HEAT, OFFSET = 0.1, 0.1
WEIGHT_DECAY = 1e-4
CLIP = 5.0  # largest norm of a step's gradients
Step = Callable[[Tensor, Sequence[Tensor], Sequence[Tensor]], Tensor]


@dataclass(frozen=True)
class FineTuning:
    """How the whole network is trained.

    Attributes:
        passes: Over all files, one view each; may be a part of one.
        batch: Views of a step.
        learning_rate: At the start; it falls to 0.
        average: Share of the moving average of the weights that stays at every step.
        frozen: Blocks of the backbone that stay as they are, one of `FROZEN_BLOCKS`.
        seed: Of the views and their order.
        save_seconds: Between two states on the disk.
    """

    passes: float
    batch: int = 8
    learning_rate: float = 3e-4
    average: float = 0.99
    frozen: int = 5
    seed: int = 0
    save_seconds: float = 120.0

    def __post_init__(self) -> None:
        if self.frozen not in FROZEN_BLOCKS:
            raise DataError(
                f"The blocks that stay as they are should be one of {FROZEN_BLOCKS}. Received "
                f"{self.frozen}. Use 5, for example."
            )

    def steps(self, files: int) -> int:
        """Steps of a training on so many files, one at least."""
        return max(1, round(self.passes * files / self.batch))


def fine_tune(
    network: KerasModel,
    labelled: Sequence[Labelled],
    config: FineTuning,
    state: Path,
    tick: Callable[[int], object] = lambda done: None,
    report: Callable[[int, float], object] = lambda step, loss: None,
) -> list[float]:
    """Train a network in place.

    Args:
        network: As `build_network` made it, with weights to start from.
        labelled: Files with their people.
        config: See there.
        state: File of the state, which a training of the same settings goes on from.
        tick: Called with the steps that are done: 1, or at first those that `state` holds.
        report: Called with the step and the mean loss since the last state, when one is written.

    Returns:
        Loss of each step that was taken now.

    Raises:
        DataError: if `state` is of another training, or there are no files.
    """
    import tensorflow as tf

    if not labelled:
        raise DataError(
            "Fine-tuning should have files with people to learn from. Received none. Add pictures."
        )
    steps = config.steps(len(labelled))
    settings = _settings(config, labelled)
    optimizer = _optimizer(config, steps)
    step, trained = _make_step(tf, network, config, optimizer)
    first = _load(state, network, optimizer, settings)
    tick(first)
    losses, saved, told = list[float](), time.monotonic(), 0
    for number, batch in _batches(network, labelled, config, range(first, steps)):
        losses.append(float(np.asarray(step(tf.constant(batch.frames), *_constants(tf, batch)))))
        tick(1)
        if number + 1 == steps or time.monotonic() - saved >= config.save_seconds:
            _save(state, network, optimizer, settings, number + 1)
            report(number + 1, float(np.mean(losses[told:])))
            saved, told = time.monotonic(), len(losses)
    optimizer.finalize_variable_values(trained)
    return losses


def _settings(config: FineTuning, labelled: Sequence[Labelled]) -> str:
    """What a state depends on, in words."""
    paths = "\n".join(str(entry.sample.path) for entry in labelled)
    files = hashlib.sha256(paths.encode()).hexdigest()[:16]
    return f"{replace(config, save_seconds=0)} on {len(labelled)} files {files}"


def _optimizer(config: FineTuning, steps: int) -> Optimizer:
    keras = import_keras()
    optimizer: Optimizer = keras.optimizers.AdamW(
        keras.optimizers.schedules.CosineDecay(config.learning_rate, steps),
        weight_decay=WEIGHT_DECAY,
        global_clipnorm=CLIP,
        use_ema=True,
        ema_momentum=config.average,
    )
    return optimizer


def _make_step(
    tf: ModuleType, network: KerasModel, config: FineTuning, optimizer: Optimizer
) -> tuple[Step, list[Variable]]:
    """Freeze the lower part; a step, frames and targets -> loss, and the weights that it moves."""
    keras = import_keras()
    lower, upper = _split(keras, network, config.frozen)
    frozen = {id(v) for v in lower.variables} if lower is not None else set()
    trained = [v for v in network.trainable_variables if id(v) not in frozen]
    optimizer.build(trained)

    def take(frames: Tensor, cells: Sequence[Tensor], heat: Sequence[Tensor]) -> Tensor:
        seen = tf.cast(frames, tf.float32) / 127.5 - 1
        if lower is not None:
            seen = lower(seen, training=False)
        with tf.GradientTape() as tape:
            maps = keras.tree.flatten(upper(seen, training=False))
            loss = _loss(tf, maps, cells, heat)
        gradients = tape.gradient(loss, trained)
        optimizer.apply_gradients(zip(gradients, trained, strict=True))
        return loss

    return tf.function(take), trained


def _split(
    keras: ModuleType, network: KerasModel, frozen: int
) -> tuple[KerasModel | None, KerasModel]:
    """The part that stays as it is, if any, and the part that is trained."""
    if not frozen:
        return None, network
    names = TAPS[: TAPS.index(f"block_{frozen}_add") + 1]
    taps = [network.get_layer(name).output for name in names]
    lower: KerasModel = keras.Model(network.input, taps)
    upper: KerasModel = keras.Model(taps, network.output)
    return lower, upper


def _constants(tf: ModuleType, batch: Batch) -> tuple[list[Tensor], list[Tensor]]:
    """Targets and heat of a batch, all cells of all views behind each other."""
    targets, heats = batch.targets, batch.heats
    bump = np.concatenate([t.bump.ravel() for t in targets])
    is_open = np.concatenate([t.open.ravel() for t in targets])
    of_cells = (
        bump,
        (is_open | (bump >= NEAR)).astype(np.float32),
        np.concatenate([t.box.reshape(-1, 4) for t in targets]),
        np.concatenate([t.keypoints.reshape(-1, NUM_KEYPOINTS, 3) for t in targets]),
    )
    of_heat = (
        np.concatenate([h.bump.reshape(-1, NUM_KEYPOINTS) for h in heats]),
        np.concatenate([h.weight.reshape(-1, NUM_KEYPOINTS) for h in heats]),
        np.concatenate([h.offset.reshape(-1, NUM_KEYPOINTS, 2) for h in heats]),
    )
    return [tf.constant(a) for a in of_cells], [tf.constant(a) for a in of_heat]


def _loss(
    tf: ModuleType, maps: Sequence[Tensor], of_cells: Sequence[Tensor], of_heat: Sequence[Tensor]
) -> Tensor:
    heat, heat_weight, offset = of_heat
    named = {
        name: tf.reshape(x, (-1, channels))
        for (name, channels), x in zip(HEADS.items(), maps, strict=True)
    }
    people = [named[name] for name in ("center", "size", "middle", "regress")]
    of_people = people_loss(tf, people, *of_cells)
    of_keypoints = focal_loss(tf, named["heat"], heat, heat_weight)
    near = tf.cast(tf.greater_equal(heat, NEAR), tf.float32)
    off = tf.abs(tf.reshape(named["offset"], (-1, NUM_KEYPOINTS, 2)) - offset)
    of_offsets = tf.reduce_sum(near[..., tf.newaxis] * off) / tf.maximum(tf.reduce_sum(near), 1.0)
    of_refined = tf.multiply(of_keypoints, HEAT) + tf.multiply(of_offsets, OFFSET)
    loss: Tensor = tf.add(of_people, of_refined)
    return loss


def _batches(
    network: KerasModel, labelled: Sequence[Labelled], config: FineTuning, steps: range
) -> Iterator[tuple[int, Batch]]:
    """The batches of some steps; each depends on its number alone, and is drawn ahead."""
    side = network.input_shape[1]

    def draw(step: int) -> Batch:
        places = range(step * config.batch, (step + 1) * config.batch)
        numbers = [_file_of(place, len(labelled), config.seed) for place in places]
        random = np.random.default_rng((config.seed, step))
        return draw_batch(labelled, numbers, random, side, side // STRIDE)

    with ThreadPoolExecutor(1) as pool:
        ahead = pool.submit(draw, steps[0]) if steps else None
        for step in steps:
            assert ahead is not None
            batch = ahead.result()
            if step + 1 in steps:
                ahead = pool.submit(draw, step + 1)
            yield step, batch


def _file_of(place: int, files: int, seed: int) -> int:
    """The file that is shown at a place: in each pass all of them, in an order of its own."""
    passed, within = divmod(place, files)
    return int(np.random.default_rng((seed, 1, passed)).permutation(files)[within])


def _variables(network: KerasModel, optimizer: Optimizer) -> list[Variable]:
    return [*network.variables, *optimizer.variables]


def _save(state: Path, network: KerasModel, optimizer: Optimizer, settings: str, step: int) -> None:
    arrays: dict[str, Array] = {
        f"v{i}": np.asarray(v) for i, v in enumerate(_variables(network, optimizer))
    }
    with open_whole(state) as file:
        np.savez(file, allow_pickle=False, step=step, settings=settings, **arrays)


def _load(state: Path, network: KerasModel, optimizer: Optimizer, settings: str) -> int:
    """Go on from a state, if there is one: the steps that are done."""
    if not state.exists():
        return 0
    try:
        with np.load(state, allow_pickle=False) as arrays:
            variables, step = _variables(network, optimizer), int(arrays["step"])
            if str(arrays["settings"]) != settings:
                raise ValueError("other settings")
            found: list[Array] = [arrays[f"v{i}"] for i in range(len(variables))]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{display_path(state)} should be the state of this training. Received something else "
            f"({error}). Give another --work folder, or remove it."
        ) from error
    for variable, values in zip(variables, found, strict=True):
        variable.assign(values)
    return step
