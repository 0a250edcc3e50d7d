"""From the model's probabilities to what is said: smooth, mask, reject.

Smoothing. Probabilities are averaged over time with weights that fall off exponentially:

    y[0] = x[0],   y[k] = y[k-1] + (1 - exp(-dt / smoothing_s)) (x[k] - y[k-1])

dt is the time since the prediction before, so that the average is the same whatever the
source's rate and however uneven its steps: one step of 0.2 s weighs as much as two of 0.1 s.
Every y is a convex combination of probabilities and sums to 1 as they do. After a step of
`smoothing_s` the past weighs 37 %, after three of them 5 %.
Source: Eckner, Algorithms for Unevenly Spaced Time Series (2019), section on exponential moving
averages, the form that holds each value over the step that leads to it (EMA next).

Masking. An action that is not allowed is taken out of the prediction; it cannot be said, nor
listed. What is left is *not* scaled up to 1, and a moment whose most probable action is masked
is `unknown`: who asks for `--allow falling` wants to hear of falls, not "falling 100 %" of
somebody who sits. Scaling would be right only if the masked actions could not occur.

Rejecting. A moment whose best probability lies below the threshold is `unknown`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from har_edge.arrays import FloatArray
from har_edge.errors import SpecError
from har_edge.model.file import bundled_models_with
from har_edge.model.spec import ModelSpec
from har_edge.recognition.prediction import Prediction


class Decider:
    """Turns the predictions of one source, in order of time, into decided ones.

    Args:
        labels: The model's labels, (C,).
        smoothing_s: Time constant of the smoothing; 0 turns it off.
        threshold: Probability below which the answer is `unknown`; 0 rejects none.
        allow: Labels that may be said, none stands for all; see `pick_labels`.
        deny: Labels that may not be said.

    Raises:
        SpecError: if a list names a label that the model does not have, or nothing is left.
    """

    def __init__(
        self,
        labels: Sequence[str],
        *,
        smoothing_s: float = 0.5,
        threshold: float = 0.0,
        allow: Iterable[str] = (),
        deny: Iterable[str] = (),
    ) -> None:
        if not (smoothing_s >= 0 and math.isfinite(smoothing_s)):
            raise SpecError(
                f"smoothing should be 0 s or more. Received {smoothing_s!r}. Use 0 "
                "for no smoothing."
            )
        if not 0 <= threshold <= 1:
            raise SpecError(
                f"The score threshold should be in 0..1. Received {threshold!r}. "
                "Use 0 to always report an action."
            )
        self.labels = tuple(labels)
        self.smoothing_s = smoothing_s
        self.threshold = threshold
        self._allowed = _allowed_indices(
            self.labels, pick_labels(allow, labels), pick_labels(deny, labels)
        )
        self._allowed_labels = tuple(self.labels[i] for i in self._allowed)
        self.reset()

    @classmethod
    def for_spec(
        cls,
        spec: ModelSpec,
        *,
        smoothing_s: float = 0.5,
        score_threshold: float | None = None,
        allow: Iterable[str] = (),
        deny: Iterable[str] = (),
    ) -> Decider:
        """Build one for a model; its own reject threshold holds unless another is given."""
        threshold = spec.reject_threshold if score_threshold is None else score_threshold
        return cls(
            spec.labels, smoothing_s=smoothing_s, threshold=threshold, allow=allow, deny=deny
        )

    def reset(self) -> None:
        """Forget the past; to be called after a gap, so that nothing is smoothed across it."""
        self._smoothed: NDArray[np.float64] | None = None
        self._last_s = 0.0

    def decide(self, prediction: Prediction) -> Prediction:
        """Smooth, mask and reject.

        A time before the last one starts the smoothing anew.

        Returns:
            The prediction with smoothed `probabilities` of the `labels` that may be said and
            with `rejected` set. With smoothing, threshold and lists off, its numbers are the
            model's own.
        """
        probabilities = self._smooth(prediction)
        best = int(probabilities.argmax())
        allowed = probabilities[self._allowed]
        return replace(
            prediction,
            probabilities=allowed,
            labels=self._allowed_labels,
            rejected=best not in self._allowed or float(allowed.max()) < self.threshold,
        )

    def _smooth(self, prediction: Prediction) -> FloatArray:
        if self.smoothing_s == 0:
            return prediction.probabilities
        # Kept in float64: at 30 values a second float32 would drift within a day.
        new = prediction.probabilities.astype(np.float64)
        step_s = prediction.timestamp_s - self._last_s
        if self._smoothed is not None and step_s >= 0:
            share = -math.expm1(-step_s / self.smoothing_s)
            new = self._smoothed + share * (new - self._smoothed)
        self._smoothed = new
        self._last_s = prediction.timestamp_s
        return new.astype(np.float32)


class Deciders:
    """Decides on the predictions of one source: those of each person on their own.

    Args:
        new_decider: Makes what decides on one person, or on the whole picture.
    """

    def __init__(self, new_decider: Callable[[], Decider]) -> None:
        self._new_decider = new_decider
        self._of: dict[int | None, Decider] = {}

    def decide(self, prediction: Prediction) -> Prediction:
        """Smooth, mask and reject; that nobody is there stays as it is."""
        if prediction.is_nobody:
            return prediction
        person = prediction.person
        decider = self._of.get(person)
        # A model that is taught while it runs has other labels from one frame to the next.
        if decider is None or decider.labels != prediction.labels:
            decider = self._of[person] = self._new_decider()
        return decider.decide(prediction)

    def forget(self, person: int) -> None:
        """Forget the past of a person who is out of view."""
        self._of.pop(person, None)

    def reset(self) -> None:
        """Forget the past; to be called after a gap."""
        self._of.clear()


def _allowed_indices(
    labels: tuple[str, ...], allow: tuple[str, ...], deny: tuple[str, ...]
) -> list[int]:
    unknown = [name for name in (*allow, *deny) if name not in labels]
    if unknown:
        others = bundled_models_with(unknown)
        raise SpecError(
            f"The model does not know {', '.join(map(repr, unknown))}. "
            f"Choose from: {', '.join(labels)}."
            + "".join(f" The bundled model {name} does: --model {name}." for name in others)
        )
    left = [i for i, name in enumerate(labels) if name not in deny and (not allow or name in allow)]
    if not left:
        raise SpecError(
            "At least one action should remain to report. Received lists that deny every "
            f"allowed one. Allow more or deny fewer of: {', '.join(labels)}."
        )
    return left


def pick_labels(names: Iterable[str], labels: Sequence[str]) -> tuple[str, ...]:
    """Tell names of labels from lists of them.

    Args:
        names: Each a label, which may have commas, or a list such as `calling,falling`.
        labels: What the model knows.

    Example:
        >>> pick_labels(["calling, falling", "sitting, at a desk"], ["sitting, at a desk"])
        ('calling', 'falling', 'sitting, at a desk')
    """
    found: list[str] = []
    for name in names:
        found += [name] if name in labels else parse_labels(name)
    return tuple(found)


def parse_labels(text: str | None) -> tuple[str, ...]:
    """Split a list such as `calling,falling`; white space and empty parts do not count."""
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())
