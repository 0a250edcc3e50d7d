"""Augmented views of stills and clips, drawn by stock Keras layers.

Every frame of a clip gets the same draw, for a clip that flips or brightens between two
frames is none. Keras's layers draw once a picture, so the clip is handed to them as one
picture: for geometry with its frames side by side as channels, (H, W, 3 T), for colour with
its frames below each other, (T H, W, 3). None of the layers becomes part of the saved model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from har_edge.arrays import FloatArray, Pixels
from har_edge.errors import DataError
from har_edge.frames.preprocess import resize_frame
from har_edge.model.spec import ClipSpec
from har_train.model.network import import_keras
from har_train.model.types import RandomLayer, Tensor

# At strength 1: shares of height and width, and of the range of values.
SHIFT, ZOOM, BRIGHTNESS, CONTRAST, SATURATION = 0.1, 0.15, 0.2, 0.25, 0.15
ERASED_AREA = (0.02, 0.15)
GREY = 128.0
# At strength 1, of boxes: share of the picture's area that is cut away at most, and the
# logarithm of the aspect ratio in units of the picture's own.
CUT_AREA, ASPECT = 0.65, 0.29


@dataclass(frozen=True)
class Augmentation:
    """What may happen to a view.

    Attributes:
        strength: Factor on all ranges of geometry and colour; 0 leaves both alone.
        flip: Whether left and right may be swapped; wrong for classes that differ by side.
        erase: Share of views with a grey rectangle over them.
        seed: Of all draws.
    """

    strength: float = 1.0
    flip: bool = True
    erase: float = 0.0
    seed: int = 0


class Augmenter:
    """Draws augmented views; a draw depends on settings, key and view alone."""

    def __init__(self, augmentation: Augmentation) -> None:
        """Build the layers.

        Raises:
            DataError: if the installed Keras lacks one of them.
        """
        self.augmentation = augmentation
        self._geometry = [_layer(n, o) for n, o in _geometry_layers(augmentation)]
        self._colour = [_layer(n, o) for n, o in _colour_layers(augmentation)]

    def __call__(self, frames: Pixels, key: str, view: int) -> Pixels:
        """Draw one view.

        Args:
            frames: (T, H, W, 3), uint8.
            key: Names the sample, such as its content's hash.
            view: Number of the view.

        Returns:
            (T, H, W, 3), uint8; one draw for all T frames.
        """
        from keras import ops

        draws = np.random.default_rng(drawing_seed(f"{self.augmentation.seed} {key} {view}"))
        count, height, width, _ = frames.shape
        side_by_side = frames.transpose(1, 2, 0, 3).reshape(1, height, width, 3 * count)
        wide = _apply(self._geometry, side_by_side.astype(np.float32), draws)  # (1, H, W, 3 T)
        tall = ops.transpose(ops.reshape(wide, (height, width, count, 3)), (2, 0, 1, 3))
        tall = ops.reshape(tall, (1, count * height, width, 3))
        tall = _apply(self._colour, tall, draws)  # (1, T H, W, 3)
        pixels = ops.convert_to_numpy(tall).reshape(frames.shape)
        return np.asarray(np.clip(np.rint(pixels), 0, 255), dtype=np.uint8)


def _apply(
    layers: Sequence[RandomLayer], pixels: Tensor | FloatArray, draws: np.random.Generator
) -> Tensor:
    found: Tensor = pixels
    for layer in layers:
        # The layer's own state would make a draw depend on the samples before it.
        layer.generator.state.assign(draws.integers(0, 2**31, 2))
        found = layer(found, training=True)
    return found


def _geometry_layers(a: Augmentation) -> list[tuple[str, dict[str, object]]]:
    shift, zoom = min(1.0, SHIFT * a.strength), min(0.9, ZOOM * a.strength)
    layers: list[tuple[str, dict[str, object]]] = []
    if a.flip:
        layers.append(("RandomFlip", {"mode": "horizontal"}))
    if a.strength > 0:
        edges = {"fill_mode": "nearest"}
        layers.append(
            ("RandomTranslation", {"height_factor": shift, "width_factor": shift, **edges})
        )
        layers.append(("RandomZoom", {"height_factor": (-zoom, zoom), **edges}))
    return layers + _erasing_layers(a)


def _erasing_layers(a: Augmentation) -> list[tuple[str, dict[str, object]]]:
    if a.erase <= 0:
        return []
    # One number would be the upper end of a range that the probability is drawn from.
    options = {"factor": (a.erase, a.erase), "scale": ERASED_AREA, "fill_value": GREY}
    return [("RandomErasing", options)]


def _colour_layers(a: Augmentation) -> list[tuple[str, dict[str, object]]]:
    if a.strength <= 0:
        return []
    saturation = min(0.5, SATURATION * a.strength)
    return [
        ("RandomBrightness", {"factor": min(1.0, BRIGHTNESS * a.strength)}),
        ("RandomContrast", {"factor": min(1.0, CONTRAST * a.strength)}),
        # 0.5 changes nothing, 0 is grey.
        ("RandomSaturation", {"factor": (0.5 - saturation, 0.5 + saturation)}),
    ]


def _layer(name: str, options: dict[str, object]) -> RandomLayer:
    keras = import_keras()
    found = getattr(keras.layers, name, None)
    if found is None:
        raise DataError(
            f"Augmented views need a Keras with the layer {name}. Received Keras "
            f"{keras.__version__}. Update it with pip install -U keras, or train with views = 0."
        )
    layer: RandomLayer = found(seed=0, **options)
    return layer


def random_box(
    frames: Pixels, clip: ClipSpec, augmentation: Augmentation, key: str, view: int
) -> Pixels:
    """Cut one random box out of all frames of a clip, maybe mirrored.

    Args:
        frames: (T, H, W, 3), uint8; the whole frames, or a region of them.
        clip: Size to bring the box to, by the resize rule of the edge.
        augmentation, key, view: As `Augmenter` takes them; they alone decide on the draw.

    Returns:
        (T, h, w, 3), uint8.

    Source: the boxes are those of Szegedy et al., Going Deeper with Convolutions (CVPR 2015),
    section 6.
    """
    draws = np.random.default_rng(drawing_seed(f"box {augmentation.seed} {key} {view}"))
    height, width = frames.shape[1:3]
    area = 1 - min(0.9, CUT_AREA * augmentation.strength) * draws.random()
    aspect = np.exp(ASPECT * augmentation.strength * draws.uniform(-1, 1))
    rows = min(height, max(1, round(height * np.sqrt(area / aspect))))
    columns = min(width, max(1, round(width * np.sqrt(area * aspect))))
    top, left = draws.integers(0, height - rows + 1), draws.integers(0, width - columns + 1)
    boxes = frames[:, top : top + rows, left : left + columns]
    if augmentation.flip and draws.random() < 0.5:
        boxes = boxes[:, :, ::-1]
    return np.stack([resize_frame(np.ascontiguousarray(box), clip) for box in boxes])


def augment_colour(clips: Tensor, augmentation: Augmentation) -> Tensor:
    """Add layers to a network that change colours and erase patches, while it is trained.

    Args:
        clips: Keras tensor, (N, T, h, w, 3), pixels in 0..255.
        augmentation: Strength and erasing.

    Returns:
        Keras tensor of the same shape; one draw for all frames of a clip.
    """
    from keras import ops

    count, height, width = clips.shape[1:4]
    x: Tensor = ops.reshape(clips, (-1, count * height, width, 3))  # frames below each other
    for name, options in _colour_layers(augmentation):
        x = _layer(name, options)(x)
    x = ops.reshape(x, (-1, count, height, width, 3))
    for name, options in _erasing_layers(augmentation):
        x = ops.reshape(ops.transpose(x, (0, 2, 3, 1, 4)), (-1, height, width, 3 * count))
        x = ops.reshape(_layer(name, options)(x), (-1, height, width, count, 3))
        x = ops.transpose(x, (0, 3, 1, 2, 4))
    return x


def drawing_seed(text: str) -> int:
    """Make a seed of a text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")


def path_draws(seed: int, key: str, view: int) -> np.random.Generator:
    """Make the generator for a still's crop path; it depends on the arguments alone."""
    return np.random.default_rng(drawing_seed(f"path {seed} {key} {view}"))
