"""Skip the encoder while nothing moves: the frame before said it already.

The measure: grey means of blocks of 8 x 8 pixels, compared with those of the last frame that
was *encoded* (so that slow changes add up until they count), less their median change; the share
of blocks that changed by more than the noise. Why so:

- A block's mean has an eighth of a pixel's sensor noise (64 pixels), and grey less than a colour.
- The median change is that of the light or the camera's exposure, which moves all blocks alike;
  a person moves few of them.
- A share does not care how strong an edge is that moves, only how large a part of the picture
  does, and one hot pixel or a flickering lamp's block is not enough.

The defaults are measured, see `har-bench experiment motion-gate`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from har_edge.arrays import Pixels
from har_edge.errors import SpecError
from har_edge.frames.opencv import import_cv2

BLOCK_PIXELS = 8
# Grey levels (of 255) by which a block's mean must differ from the median change.
NOISE_LEVELS = 6.0
# Share of the blocks that must change for a frame to be encoded: 8 of the 784 of 224 x 224.
THRESHOLD = 0.01
# A frame is encoded at least so often, whatever it shows.
MAX_HOLD_S = 2.0


class MotionGate:
    """Says which frames need encoding, and counts those that did not.

    One gate serves one source.

    Attributes:
        threshold: Share of changed blocks, 0..1, above which a frame is encoded.
        max_hold_s: Longest time for which features are reused.
        frames: Frames seen.
        skipped: Frames of these that needed no encoding.
    """

    def __init__(self, *, threshold: float = THRESHOLD, max_hold_s: float = MAX_HOLD_S) -> None:
        """Set the gate up.

        Raises:
            SpecError: if the threshold is no share or the time not above 0.
        """
        if not 0 <= threshold < 1 or not max_hold_s > 0:
            raise SpecError(
                "A motion gate needs a threshold from 0 to below 1 and a hold time above 0 s. "
                f"Received {threshold!r} and {max_hold_s!r} s. Leave them out for the defaults, "
                f"{THRESHOLD} and {MAX_HOLD_S:g} s."
            )
        self.threshold = threshold
        self.max_hold_s = max_hold_s
        self.frames = 0
        self.skipped = 0
        self.reset()

    def reset(self) -> None:
        """Forget the last encoded frame, so that the next one is encoded; the counts stay."""
        self._encoded: NDArray[np.float32] | None = None
        self._encoded_s = 0.0

    def needs_encoding(self, pixels: Pixels, timestamp_s: float) -> bool:
        """Compare a frame with the last one for which this said yes.

        Args:
            pixels: A preprocessed frame, (H, W, 3), uint8.
            timestamp_s: Its time in the source.
        """
        self.frames += 1
        blocks = block_means(pixels)
        held_s = timestamp_s - self._encoded_s
        if (
            self._encoded is not None
            and 0 <= held_s < self.max_hold_s
            and changed_share(blocks, self._encoded) <= self.threshold
        ):
            self.skipped += 1
            return False
        self._encoded, self._encoded_s = blocks, timestamp_s
        return True


def block_means(pixels: Pixels) -> NDArray[np.float32]:
    """Grey means of blocks of about 8 x 8 pixels.

    Args:
        pixels: RGB, (H, W, 3), uint8.

    Returns:
        (H / 8, W / 8), float32, 0..255, to fractions of a grey level; at least (1, 1).
    """
    cv2 = import_cv2()
    height, width = (max(1, side // BLOCK_PIXELS) for side in pixels.shape[:2])
    # Averaged in float: rounding to whole levels would cost what averaging has won.
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return np.asarray(cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA))


def changed_share(blocks: NDArray[np.float32], before: NDArray[np.float32]) -> float:
    """Share of blocks, 0..1, that changed by more than the noise and unlike the whole picture.

    Args:
        blocks, before: Results of `block_means`, of equal shape.
    """
    change = blocks - before
    change -= np.median(change)
    return float(np.mean(np.abs(change) > NOISE_LEVELS))
