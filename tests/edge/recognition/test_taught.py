"""The matched filter against a plain second implementation, and what it may not change."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from har_edge.errors import DataError
from har_edge.recognition.taught import EVIDENCE, NOTHING, RANK, Background, Taught, describe

SIZE = 96


def scenes(count: int, seed: int) -> NDArray[np.float32]:
    """Windows that share a few directions and a little of everything else."""
    random = np.random.default_rng(seed)
    directions = np.random.default_rng(99).normal(size=(8, SIZE))
    strengths = np.array([8, 6, 5, 4, 3, 2, 2, 1])
    shared = random.normal(size=(count, 8)) * strengths @ directions
    return (5 + shared + random.normal(size=(count, SIZE))).astype(np.float32)


def action(count: int, seed: int, which: int = 0) -> NDArray[np.float32]:
    """Scenes that have something in common besides."""
    offset = np.random.default_rng(1000 + which).normal(size=SIZE) * 1.5
    return (scenes(count, seed) + offset).astype(np.float32)


@pytest.fixture(scope="module")
def background() -> Background:
    return Background.of(scenes(500, seed=0))


def test_whitening_equals_the_inverse_of_the_covariance() -> None:
    windows = scenes(500, seed=1).astype(np.float64)
    background = Background.of(windows.astype(np.float32))
    values, vectors = np.linalg.eigh(np.cov(windows.T, bias=True))
    values, vectors = values[::-1], vectors[:, ::-1]
    values[RANK:] = values[RANK:].mean()
    covariance = vectors * values @ vectors.T
    offsets = np.random.default_rng(2).normal(size=(5, SIZE))
    expected = np.linalg.solve(covariance, offsets.T).T
    result = background.whiten(offsets.astype(np.float32))
    assert np.abs(result - expected).max() < 1e-3 * np.abs(expected).max()


def test_evidence_is_the_matched_filter(background: Background) -> None:
    taught = Taught("", background).with_action("a", action(4, 5)).with_action("b", action(4, 6, 1))
    basis, mean = background.directions.astype(np.float64), background.mean.astype(np.float64)
    rest = np.eye(SIZE) - basis.T @ basis
    covariance = basis.T * background.variances @ basis + rest * background.residual
    window = action(1, 7)[0]
    expected = []
    for name in ("a", "b"):
        offset = taught.windows[name].mean(axis=0) - mean
        filtered = np.linalg.solve(covariance, offset)
        expected.append(filtered @ (window - mean) / np.sqrt(offset @ filtered))
    assert np.allclose(
        taught.evidence(window), np.array(expected) - EVIDENCE - np.log(2), atol=1e-2
    )


def test_taught_actions_are_known_and_others_left_alone(background: Background) -> None:
    taught = Taught("", background)
    for which in range(2):
        taught = taught.with_action(f"action {which}", action(5, 10 + which, which))
    answer = np.array([0.5, 0.3, 0.2], np.float32)
    for which in range(2):
        found = [taught.extend(answer, w).argmax() for w in action(100, 20 + which, which)]
        assert np.mean(np.array(found) == 3 + which) > 0.9
    claimed = [taught.extend(answer, w).argmax() >= 3 for w in scenes(400, 30)]
    assert np.mean(claimed) < 0.01


def test_original_actions_keep_their_ratios(background: Background) -> None:
    taught = Taught("", background).with_action("new", action(5, 10))
    answer = np.array([0.6, 0.3, 0.1], np.float32)
    for window in (*action(5, 40), *scenes(5, 41), 1e6 * action(1, 42)[0]):
        extended = taught.extend(answer, window)
        assert extended.shape == (4,)
        assert np.isfinite(extended).all()
        assert extended.sum() == pytest.approx(1, abs=1e-5)
        assert extended[:3] / extended[0] == pytest.approx(answer / answer[0], rel=1e-4)


def test_a_sure_model_is_believed(background: Background) -> None:
    """The same evidence that wins over doubt loses against certainty."""
    taught = Taught("", background).with_action("new", action(5, 10))
    offset = taught.windows["new"].mean(axis=0) - background.mean
    norm = np.sqrt(offset @ background.whiten(offset))
    window = (background.mean + offset * (EVIDENCE + 2) / norm).astype(np.float32)
    assert taught.evidence(window) == pytest.approx([2], abs=0.01)
    assert taught.extend(np.array([0.5, 0.5], np.float32), window).argmax() == 2
    assert taught.extend(np.array([0.999, 0.001], np.float32), window).argmax() == 0


def test_to_be_sure_of_other_is_no_certainty(background: Background) -> None:
    taught = Taught("", background).with_action("new", action(5, 10))
    offset = taught.windows["new"].mean(axis=0) - background.mean
    norm = np.sqrt(offset @ background.whiten(offset))
    window = (background.mean + offset * (EVIDENCE + 2) / norm).astype(np.float32)
    answer = np.array([0.001, 0.999], np.float32)
    assert taught.extend(answer, window).argmax() == 1
    assert taught.extend(answer, window, catch_all=[1]).argmax() == 2


def test_nothing_is_never_an_answer_and_wins_over_the_place(background: Background) -> None:
    """All windows of one place look like an action recorded there, unless it was shown empty."""
    place = np.random.default_rng(7).normal(size=SIZE) * 2

    def recorded(count: int, seed: int, *, acts: bool) -> NDArray[np.float32]:
        return ((action if acts else scenes)(count, seed) + place).astype(np.float32)

    answer = np.array([0.5, 0.5], np.float32)
    taught = Taught("", background).with_action("new", recorded(10, 50, acts=True))
    with_nothing = taught.with_action(NOTHING, recorded(10, 51, acts=False))
    assert with_nothing.names == ("new",)

    def claims(known: Taught, *, acts: bool) -> float:
        answers = [known.extend(answer, w) for w in recorded(200, 52, acts=acts)]
        assert {len(a) for a in answers} == {3}
        return float(np.mean([a.argmax() == 2 for a in answers]))

    assert claims(taught, acts=False) > 0.3
    assert claims(with_nothing, acts=False) < 0.05
    assert claims(with_nothing, acts=True) > 0.8


def test_leave_one_out_tells_alike_from_unlike(background: Background) -> None:
    taught = Taught("", background).with_action("alike", action(8, 60))
    taught = taught.with_action("unlike", scenes(8, 61))
    assert taught.recognised_from_others("alike") >= 7
    assert taught.recognised_from_others("unlike") <= 2


def test_forgetting_and_adding(background: Background) -> None:
    taught = Taught("", background).with_action("a", action(3, 1)).with_action("a", action(2, 2))
    assert len(taught.windows["a"]) == 5
    assert taught.without("a").names == ()
    with pytest.raises(DataError, match="no taught action 'b'"):
        taught.without("b")


def test_a_background_of_too_few_windows_is_refused() -> None:
    with pytest.raises(DataError, match="at least 32"):
        Background.of(scenes(31, 0))


def test_windows_are_described_by_what_is_seen_and_what_moves() -> None:
    window = np.array([[1, 2], [3, 2], [1, 5]], np.float32)
    assert describe(window[:1]).tolist() == [1, 2]
    assert describe(window) == pytest.approx([5 / 3, 3, 2, 1.5])
