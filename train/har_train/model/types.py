"""What is used of Keras's objects, for Keras publishes no types that fit its documented use."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from har_edge.arrays import FloatArray

# Arrays of whatever numbers.
Array = NDArray[np.generic]


class Tensor(Protocol):
    """A tensor: without numbers while a network is built, with them when it runs."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape; the first size is None while a network is built."""


class Variable(Protocol):
    """State of a layer or an optimizer."""

    name: str

    def assign(self, value: Array) -> object:
        """Set it."""


class Optimizer(Protocol):
    """An optimizer, with what the loop keeps of it from epoch to epoch."""

    variables: Sequence[Variable]
    global_clipnorm: float | None

    def exclude_from_weight_decay(self, *, var_names: list[str]) -> None:
        """Leave variables alone whose names hold one of these."""

    def build(self, variables: Sequence[Variable]) -> None:
        """Make its state."""

    def apply_gradients(self, pairs: object) -> None:
        """Take a step."""

    def finalize_variable_values(self, variables: Sequence[Variable]) -> None:
        """Put the average of the weights in their place, if there is one."""


class Predicts(Protocol):
    """Anything that answers to a batch."""

    def predict_on_batch(self, x: FloatArray) -> FloatArray:
        """Compute the outputs of a batch."""


class Layer(Protocol):
    """A layer, or a network as a layer of another."""

    name: str
    trainable: bool
    dtype_policy: object

    @property
    def input(self) -> Tensor:
        """Its input in the network that it was first built in."""

    @property
    def output(self) -> Tensor:
        """Its output there."""

    def get_weights(self) -> list[Array]:
        """Give all weights in order."""

    def set_weights(self, weights: Sequence[Array]) -> None:
        """Take all weights in order."""

    def __call__(self, x: object, *, training: bool | None = None, mask: object = None) -> Tensor:
        """Apply it."""


class KerasModel(Layer, Predicts, Protocol):
    """A network."""

    layers: Sequence[Layer]
    variables: Sequence[Variable]
    trainable_variables: Sequence[Variable]
    optimizer: Optimizer
    loss: Loss

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of its input; the first size is None."""

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of its output; the first size is None."""

    def get_layer(self, name: str) -> Layer:
        """Find a layer."""

    def load_weights(self, path: str | os.PathLike[str]) -> None:
        """Read weights from a file."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network with its weights."""

    def compile(self, *, optimizer: object, loss: object, weighted_metrics: list[str]) -> None:
        """Say how it is trained."""

    def fit(self, data: Batches, **options: object) -> Fitted:
        """Train it."""


class Loss(Protocol):
    """A loss function."""

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Give the loss of each row."""


class Fitted(Protocol):
    """What Keras remembers of a training."""

    history: dict[str, list[float]]


class Batches(Protocol):
    """A dataset: inputs, targets and weights by number of batch."""

    def __len__(self) -> int:
        """Number of batches."""

    def __getitem__(self, index: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Make one batch."""


class Draws(Protocol):
    """Where a random layer's numbers come from."""

    state: Variable


class RandomLayer(Layer, Protocol):
    """A layer that draws."""

    generator: Draws
