"""Training on several devices or machines by TensorFlow's own distribution.

Each replica computes the gradients of its share of every batch; their sum is what one process
computes for the whole batch. So the batch size stays what the settings say, and the result is
that of one process but for rounding, and for dropout and changes of colour, which are drawn for a
share.

`mirrored` uses all GPUs of this machine. `multiworker` runs the same command on every machine,
with TF_CONFIG telling each who the others are and which of them it is:

    TF_CONFIG='{"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]},
                "task": {"type": "worker", "index": 0}}'  har-train fit ... --strategy multiworker

Index 0 is the chief: it alone writes. Keras's own `fit` refuses a MultiWorkerMirroredStrategy (as
of 3.15, keras-team/keras#20585); its layers and optimizers do not, so the step is written out.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from har_edge.arrays import FloatArray
from har_edge.errors import BackendError, DataError
from har_train.model.network import import_keras
from har_train.model.types import Batches, KerasModel

StrategyName = Literal["mirrored", "multiworker"]
STRATEGIES: tuple[StrategyName, ...] = get_args(StrategyName)
Batch = tuple[FloatArray, FloatArray, FloatArray]
Share = tuple[FloatArray, FloatArray, FloatArray, np.float32]


@dataclass(frozen=True)
class Distribution:
    """Devices, here or on several machines, that train one model together.

    Attributes:
        strategy: TensorFlow's.
        is_chief: Whether this process writes files and speaks to the user.
        workers: Processes, on one machine or several.
    """

    strategy: Any
    is_chief: bool = True
    workers: int = 1

    def copy(self, model: KerasModel, compile_model: Callable[[KerasModel], object]) -> KerasModel:
        """Copy a model onto all devices, compiled; the model itself stays as it is.

        Batch norm of the copy takes its statistics from the whole batch.
        """
        keras = import_keras()

        def spread(layer: Any) -> Any:
            settings = layer.get_config()
            if isinstance(layer, keras.layers.BatchNormalization):
                settings["synchronized"] = True
            return layer.__class__.from_config(settings)

        with self.strategy.scope():
            copy: KerasModel = keras.models.clone_model(
                model, clone_function=spread, recursive=True
            )
            copy.set_weights(model.get_weights())
            compile_model(copy)
            copy.optimizer.build(copy.trainable_variables)
        return copy

    def make_epoch(self, model: KerasModel) -> Callable[[Batches], dict[str, float]]:
        """Make what trains a copy for one epoch.

        Args:
            model: From `copy`.

        Returns:
            Given a dataset of inputs, targets and weights by number of batch, the loss and the
            accuracy of the epoch.
        """
        import tensorflow as tf

        def learn(x: Any, y: Any, weights: Any, size: Any) -> Any:
            """Learn from a share of a batch of `size`; give loss, hits and weights, summed."""
            with tf.GradientTape() as tape:
                probabilities = model(x, training=True)
                losses = model.loss.call(y, probabilities)
                loss = tf.reduce_sum(losses * weights)
                mean = loss / size  # the replicas' means add up to that of the batch
            variables = model.trainable_variables
            gradients = tape.gradient(mean, variables)
            if model.optimizer.global_clipnorm:
                # Keras clips before it adds up the replicas' gradients: here the sum is clipped.
                whole = tf.distribute.get_replica_context().all_reduce("SUM", gradients)
                clipped, _ = tf.clip_by_global_norm(whole, model.optimizer.global_clipnorm)
                gradients = [g / self.strategy.num_replicas_in_sync for g in clipped]
            model.optimizer.apply_gradients(zip(gradients, variables, strict=True))
            hits = tf.argmax(probabilities, axis=1) == tf.argmax(y, axis=1)
            right = tf.reduce_sum(tf.cast(hits, weights.dtype) * weights)
            return tf.stack([loss, size / self.strategy.num_replicas_in_sync, right,
                             tf.reduce_sum(weights)])  # fmt: skip

        def learn_together(shares: Any) -> Any:
            sums = self.strategy.run(learn, args=shares)
            return self.strategy.reduce(tf.distribute.ReduceOp.SUM, sums, axis=None)

        step: Any = None

        def run(dataset: Batches) -> dict[str, float]:
            nonlocal step
            shares = self._shares(dataset)
            if step is None:
                # For shares of any size: a worker that traced anew when its share was smaller would
                # number its messages otherwise than the others.
                step = tf.function(learn_together, input_signature=[shares.element_spec])
            loss, size, right, weight = sum(step(share).numpy() for share in shares)
            return {"accuracy": float(right / weight), "loss": float(loss / size)}

        return run

    def _shares(self, dataset: Batches) -> Any:
        """Cut the batches for the replicas; this process gets those of its own."""
        import tensorflow as tf

        replicas = self.strategy.num_replicas_in_sync
        local = replicas // self.workers
        shapes = [(None, *array.shape[1:]) for array in dataset[0]]
        signature = (*(tf.TensorSpec(shape, tf.float32) for shape in shapes),
                     tf.TensorSpec((), tf.float32))  # fmt: skip

        def cut(context: Any) -> object:
            first = context.input_pipeline_id * local

            def shares() -> Iterator[Share]:
                for i in range(len(dataset)):
                    batch = dataset[i]
                    for replica in range(first, first + local):
                        yield cut_share(batch, replica, replicas)

            found = tf.data.Dataset.from_generator(shares, output_signature=signature)
            return found.prefetch(local)

        return self.strategy.distribute_datasets_from_function(cut)

    def add(self, values: Sequence[float]) -> list[float]:
        """Add up what the workers give; all of them have to call this, and get the sums."""
        import tensorflow as tf

        local = self.strategy.num_replicas_in_sync // self.workers

        def give(context: Any) -> Any:
            first = context.replica_id_in_sync_group % local == 0
            return tf.constant(values if first else [0.0] * len(values), tf.float64)

        given = self.strategy.experimental_distribute_values_from_function(give)
        sums = self.strategy.reduce(tf.distribute.ReduceOp.SUM, given, axis=None)
        return [float(value) for value in sums.numpy()]

    def agree(self, figures: Mapping[str, float]) -> dict[str, float]:
        """Give the chief's figures to all workers, so that they stop at the same epoch."""
        chiefs = self.add([value if self.is_chief else 0.0 for value in figures.values()])
        return dict(zip(figures, chiefs, strict=True))

    def check_same(self, epoch: int) -> None:
        """Refuse to go on from different epochs: workers would wait for each other for ever.

        Raises:
            DataError: on all workers, if they differ.
        """
        total, squares = self.add([epoch, epoch**2])
        if squares * self.workers != total**2:
            raise DataError(
                "All workers should go on from the same checkpoint. This one would from epoch "
                f"{epoch}, another from another. Put the run folder where all workers see it."
            )


def cut_share(batch: Batch, replica: int, replicas: int) -> Share:
    """Cut a batch: every so-manieth window, and the size of the whole batch.

    A replica that is left without a window gets one of no weight.
    """
    inputs, targets, weights = batch
    part = slice(replica, None, replicas)
    if replica >= len(inputs):
        part, weights = slice(0, 1), np.zeros_like(weights)
    return inputs[part], targets[part], weights[part], np.float32(len(inputs))


def open_strategy(name: StrategyName) -> Distribution:
    """Start TensorFlow's distribution; to be called before TensorFlow does anything else.

    Args:
        name: `mirrored`, or `multiworker`, which waits until all workers of TF_CONFIG are there.

    Raises:
        BackendError: if Keras runs on another backend.
        DataError: if TF_CONFIG is missing or malformed, or there for `mirrored`.
    """
    backend = import_keras().backend.backend()
    if backend != "tensorflow":
        raise BackendError(
            f"--strategy needs Keras on TensorFlow. Received the backend {backend}. Set "
            "KERAS_BACKEND=tensorflow, or leave --strategy out."
        )
    import tensorflow as tf

    if name == "mirrored":
        if "TF_CONFIG" in os.environ:  # TensorFlow would follow it
            raise DataError(
                "--strategy mirrored trains on this machine alone. Received TF_CONFIG, which names "
                "several. Unset it, or give --strategy multiworker."
            )
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        return Distribution(tf.distribute.MirroredStrategy([d.name for d in devices]))
    is_chief, workers = _read_tf_config()
    return Distribution(tf.distribute.MultiWorkerMirroredStrategy(), is_chief, workers)


def _read_tf_config() -> tuple[bool, int]:
    """Check TF_CONFIG, which TensorFlow itself reads without a word.

    Returns:
        Whether this is the chief, and the number of workers.

    Raises:
        DataError: if it is missing or malformed.
    """
    text = os.environ.get("TF_CONFIG", "")
    try:
        config = json.loads(text)
        workers = {kind: config["cluster"].get(kind, []) for kind in ("chief", "worker")}
        kind, index = config["task"]["type"], int(config["task"]["index"])
        address = workers[kind][index]
        fits = index >= 0 and ":" in address
    except (ValueError, LookupError, TypeError, AttributeError):
        fits = False
    if not fits:
        raise DataError(
            "--strategy multiworker needs TF_CONFIG, such as "
            '{"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}, "task": {"type": '
            f'"worker", "index": 0}}}}. Received {text or "none"}. Set it on every worker, each '
            "with its own index."
        )
    is_chief = kind == "chief" or (index == 0 and not workers["chief"])
    return is_chief, sum(map(len, workers.values()))
