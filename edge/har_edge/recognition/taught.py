"""Actions of one's own from a few seconds of recording, without training.

A taught action is a handful of windows. What they have in common is told from what other
windows look like by a matched filter: with background mean m and covariance S and the action's
mean window a, a window x scores

    z = (x - m)' S^-1 (a - m) / sqrt((a - m)' S^-1 (a - m)),

so that directions in which all pictures differ count little, and z of the background has mean 0.
S is kept as its first principal directions and one variance for all others. Source: Robey,
Fuhrmann, Kelly, Nitzberg, A CFAR adaptive matched filter detector (1992), with several looks
averaged.

The original actions keep their probabilities but for what a taught one claims: evidence
exp(z - EVIDENCE) / K, of the doubt that the model leaves, which is 1 - max p over the labels that
name an action. So a taught action wins where its windows are much alike *and* the model is not
sure of another action. Among each other the original actions keep their ratios.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from har_edge.arrays import FloatArray
from har_edge.counted import counted
from har_edge.errors import DataError
from har_edge.model.loaded import LoadedModel

# Windows taught under this name are what is *not* an action, in the place where it was recorded:
# a taught action must fit better than they do. It never is an answer itself.
NOTHING = "nothing"
# Log odds that a single taught action must overcome, and log K more where there are K of them, so
# that three actions cost the original ones 0.4 to 0.8 points; see har-bench experiment teach.
EVIDENCE = 7.0
# Labels that stand for all that a model was not asked about. To be sure of one is no certainty that
# a taught action would have to overcome.
CATCH_ALL = frozenset({"other", "others", "none", "nothing", "background", "no_action"})
# The surest model leaves this much doubt, since its probabilities round to 1.
MIN_DOUBT = 1e-3
# Principal directions of the background; more find noise, fewer miss what pictures share.
RANK = 64
MIN_BACKGROUND = 32
# An action of fewer says nothing of what its windows have in common.
MIN_WINDOWS = 3
# exp of more overflows float32, and says nothing more.
MAX_LOG_ODDS = 50.0


def describe(window: FloatArray) -> FloatArray:
    """Sum a window of feature vectors up as one vector.

    Args:
        window: (T, D), in order of time.

    Returns:
        (D,), the vector itself, if T is 1; else (2 D,), the mean and the mean absolute
        difference of neighbours: what is seen, and what moves in it.
    """
    if len(window) == 1:
        return np.asarray(window[0], dtype=np.float32)
    change = np.abs(np.diff(window, axis=0)).mean(axis=0)
    return np.concatenate([window.mean(axis=0), change]).astype(np.float32)


@dataclass(frozen=True)
class Background:
    """What windows look like at large.

    Attributes:
        mean: (D,).
        directions: Principal directions, orthonormal, (R, D).
        variances: Along these, (R,).
        residual: Variance along every other direction.
    """

    mean: FloatArray
    directions: FloatArray
    variances: FloatArray
    residual: float

    @classmethod
    def of(cls, windows: FloatArray) -> Background:
        """Estimate it from described windows, (N, D).

        Raises:
            DataError: if there are too few.
        """
        count, size = windows.shape
        if count < MIN_BACKGROUND:
            raise DataError(
                f"The background should have at least {MIN_BACKGROUND} windows of varied "
                f"scenes. Received {count}. Give more pictures or longer videos."
            )
        mean = windows.mean(axis=0, dtype=np.float64)
        _, singular, directions = np.linalg.svd(windows - mean, full_matrices=False)
        spectrum = singular**2 / count
        rank = min(RANK, count // 2, size - 1)
        residual = float(spectrum[rank:].sum() / (size - rank))
        floor = max(residual, float(np.finfo(np.float32).tiny))
        return cls(
            mean.astype(np.float32),
            directions[:rank].astype(np.float32),
            np.maximum(spectrum[:rank], floor).astype(np.float32),
            floor,
        )

    def whiten(self, offsets: FloatArray) -> FloatArray:
        """Multiply offsets from the mean, (..., D), with the inverse covariance."""
        along = offsets @ self.directions.T
        rest = (offsets - along @ self.directions) / self.residual
        return np.asarray(rest + (along / self.variances) @ self.directions, dtype=np.float32)


@dataclass(frozen=True)
class Taught:
    """Taught actions of one model; what was recorded, nothing derived.

    Attributes:
        model_sha256: Checksum of the model whose features these are.
        background: What other windows look like.
        windows: Name to described windows, (M, D), in the order in which they were taught.
    """

    model_sha256: str
    background: Background
    windows: dict[str, FloatArray] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the actions, without `nothing`."""
        return tuple(name for name in self.windows if name != NOTHING)

    def with_action(self, name: str, windows: FloatArray) -> Taught:
        """Copy with an action added, or with more windows of a known one."""
        known = self.windows.get(name)
        joined = windows if known is None else np.concatenate([known, windows])
        return replace(self, windows={**self.windows, name: joined})

    def without(self, name: str) -> Taught:
        """Copy without an action.

        Raises:
            DataError: if it was not taught.
        """
        if name not in self.windows:
            raise DataError(
                f"There is no taught action '{name}'. Known: {', '.join(self.windows) or 'none'}."
            )
        return replace(self, windows={n: w for n, w in self.windows.items() if n != name})

    @cached_property
    def _filters(self) -> tuple[FloatArray, FloatArray]:
        """Filters, (K, D), and their norms, (K,); those of `nothing` last, if it was taught."""
        names = (*self.names, *(NOTHING,) * (NOTHING in self.windows))
        means = np.stack([self.windows[name].mean(axis=0) for name in names])
        offsets = means - self.background.mean
        filters = self.background.whiten(offsets)
        norms = np.sqrt(np.maximum((offsets * filters).sum(axis=1), 1e-12))
        return filters, norms

    def evidence(self, window: FloatArray) -> FloatArray:
        """Log odds, (K,), of each taught action for one described window, (D,).

        Raises:
            DataError: if they are no numbers, as of recordings that were changed.
        """
        count = len(self.names)
        with np.errstate(over="ignore", invalid="ignore"):
            filters, norms = self._filters
            matches = filters @ (window - self.background.mean)
            log_odds = matches[:count] / norms[:count] - EVIDENCE - np.log(count)
            if len(matches) > count:
                # Log likelihood ratio to `nothing` by Gaussians of equal covariance.
                ratios = matches - norms**2 / 2
                log_odds = np.minimum(log_odds, ratios[:count] - ratios[count])
        if np.isnan(log_odds).any():
            raise DataError(
                f"What was taught as {', '.join(self.names)} should be told from other windows by "
                "numbers. Received none: the recordings were damaged or changed. Teach them again."
            )
        return np.asarray(log_odds, dtype=np.float32)

    def extend(
        self, probabilities: FloatArray, window: FloatArray, *, catch_all: Sequence[int] = ()
    ) -> FloatArray:
        """Add the taught actions to the model's probabilities.

        Args:
            probabilities: Of the original actions, (C,).
            window: The described window, (D,).
            catch_all: Numbers of the labels, fewer than C, that name no action.

        Returns:
            (C + K,), summing to 1; the original ones in their old ratios.
        """
        sure = np.delete(probabilities, catch_all) if catch_all else probabilities
        doubt = max(1.0 - float(sure.max()), MIN_DOUBT)
        claims = doubt * np.exp(np.clip(self.evidence(window), -MAX_LOG_ODDS, MAX_LOG_ODDS))
        joined = np.concatenate([probabilities, claims])
        return np.asarray(joined / joined.sum(), dtype=np.float32)

    def recognised_from_others(self, name: str) -> int:
        """Count the windows of an action that it would be found in without that window."""
        windows = self.windows[name]
        place = self.names.index(name)
        found = 0
        for i in range(len(windows)):
            others = {**self.windows, name: np.delete(windows, i, axis=0)}
            evidence = replace(self, windows=others).evidence(windows[i])
            found += int(evidence.argmax() == place and evidence[place] > 0)
        return found


class TaughtModel(LoadedModel):
    """A model that knows the taught actions too: its labels, then theirs."""

    def __init__(self, model: LoadedModel, taught: Taught) -> None:
        super().__init__(
            model.spec.with_(labels=(*model.spec.labels, *taught.names)),
            model.path,
            model.size_bytes,
            model.backend,
        )
        self.num_classes = model.num_classes
        self.taught = taught
        self._catch_all = [i for i, label in enumerate(model.spec.labels) if label in CATCH_ALL]

    def classify(self, window: FloatArray) -> FloatArray:
        """Classify feature vectors in order of time, (T, D), to probabilities, (C + K,)."""
        return self.taught.extend(
            super().classify(window), describe(window), catch_all=self._catch_all
        )


def report(taught: Taught, name: str) -> str:
    """Say what a model knows now, and how similar the windows of an action are."""
    count = len(taught.windows[name])
    if name == NOTHING:
        return f"Learned from {counted(count, 'window')} what is not an action here."
    found = taught.recognised_from_others(name)
    line = (
        f"Learned '{name}' from {counted(count, 'window')}; {found} of them would be "
        "recognised from the others."
    )
    if found < count / 2:
        line += (
            " The examples vary a lot, or look like other actions: record more of them, with "
            "the person as large as in later use."
        )
    return line
