"""Smoothing, lists and the reject threshold."""

from __future__ import annotations

import math

import numpy as np
import pytest

from har_edge.errors import SpecError
from har_edge.model.loaded import load_model
from har_edge.recognition.decide import Decider, parse_labels, pick_labels
from har_edge.recognition.prediction import UNKNOWN, Prediction
from tests.support.records import weighed

LABELS = ("calling", "falling", "sitting")


def prediction(at_s: float, *probabilities: float) -> Prediction:
    return weighed(*probabilities, at_s=at_s, labels=LABELS)


def random_series(seed: int, count: int) -> list[Prediction]:
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.exponential(0.2, count))
    return [prediction(t, *rng.dirichlet([0.5] * 3)) for t in times]


@pytest.mark.parametrize("smoothing_s", [0.05, 0.5, 20.0])
def test_smoothing_is_the_weighted_mean_that_it_claims_to_be(smoothing_s: float) -> None:
    """Against the closed form: every value weighted by its step and by its age."""
    series = random_series(1, 60)
    decider = Decider(LABELS, smoothing_s=smoothing_s)
    for k, given in enumerate(series):
        decided = decider.decide(given)
        weights = []
        for i, past in enumerate(series[: k + 1]):
            age = math.exp(-(given.timestamp_s - past.timestamp_s) / smoothing_s)
            step = past.timestamp_s - series[i - 1].timestamp_s
            weights.append(age if i == 0 else age * (1 - math.exp(-step / smoothing_s)))
        assert sum(weights) == pytest.approx(1)
        expected = np.average([p.probabilities for p in series[: k + 1]], axis=0, weights=weights)
        np.testing.assert_allclose(decided.probabilities, expected, atol=1e-6)


def test_first_value_is_not_smoothed_and_the_rate_does_not_matter() -> None:
    start, after = (0.8, 0.1, 0.1), (0.2, 0.2, 0.6)
    fast, slow = Decider(LABELS), Decider(LABELS)
    assert fast.decide(prediction(0.0, *start)).probabilities == pytest.approx(start)
    slow.decide(prediction(0.0, *start))
    for step in range(1, 11):
        steps = fast.decide(prediction(step / 10, *after))
    once = slow.decide(prediction(1.0, *after))
    np.testing.assert_allclose(steps.probabilities, once.probabilities, atol=1e-6)


def test_reset_and_a_time_that_falls_start_anew() -> None:
    last = (0.0, 0.3, 0.7)
    decider = Decider(LABELS)
    decider.decide(prediction(5.0, 1.0, 0.0, 0.0))
    decider.reset()
    assert decider.decide(prediction(5.1, *last)).probabilities == pytest.approx(last)
    assert decider.decide(prediction(1.0, *last[::-1])).probabilities == pytest.approx(last[::-1])


def test_everything_off_gives_the_model_s_own_numbers() -> None:
    decider = Decider(LABELS, smoothing_s=0, threshold=0)
    for given in random_series(2, 20):
        decided = decider.decide(given)
        np.testing.assert_array_equal(decided.probabilities, given.probabilities)
        assert (decided.action, decided.labels, decided.rejected) == (given.action, LABELS, False)


def test_threshold_rejects_below_and_not_at_it() -> None:
    decider = Decider(LABELS, smoothing_s=0, threshold=0.5)
    assert decider.decide(prediction(0, 0.5, 0.3, 0.2)).action == "calling"
    unsure = decider.decide(prediction(1, 0.49, 0.31, 0.2))
    assert (unsure.action, unsure.rejected) == (UNKNOWN, True)
    assert unsure.confidence == pytest.approx(0.49)


@pytest.mark.parametrize("lists", [{"allow": ["falling"]}, {"deny": ["calling", "sitting"]}])
def test_masked_actions_cannot_be_said(lists: dict[str, list[str]]) -> None:
    decider = Decider(LABELS, smoothing_s=0, **lists)  # type: ignore[arg-type]
    fall = decider.decide(prediction(0, 0.1, 0.7, 0.2))
    assert fall.action == "falling"
    assert fall.top(3) == [("falling", pytest.approx(0.7))]  # not scaled up
    sitting = decider.decide(prediction(1, 0.1, 0.2, 0.7))
    assert sitting.action == UNKNOWN  # nor is the second best put forward
    assert [action for action, _ in sitting.top(3)] == ["falling"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"allow": ["flying"]}, "'flying'.*calling, falling, sitting"),
        ({"deny": ["Calling"]}, "'Calling'"),
        ({"allow": ["calling"], "deny": ["calling"]}, "leave no action"),
        ({"smoothing_s": -1.0}, "smoothing"),
        ({"smoothing_s": math.inf}, "smoothing"),
        ({"threshold": 1.5}, "threshold"),
    ],
)
def test_unusable_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        Decider(LABELS, **options)  # type: ignore[arg-type]


def test_lists_of_labels() -> None:
    assert parse_labels(" calling, listening_to_music,,") == ("calling", "listening_to_music")
    assert parse_labels(None) == ()


def test_the_bundled_model_that_knows_an_action_is_named() -> None:
    labels = load_model("har15").spec.labels
    with pytest.raises(SpecError, match=r"Choose from: calling, .*model clips does: --model clips"):
        Decider(labels, allow=["falling"])
    with pytest.raises(SpecError) as nobody:
        Decider(labels, allow=["falling", "flying"])
    assert "bundled" not in str(nobody.value)


def test_a_label_with_a_comma_is_no_list() -> None:
    labels = ("calling", "sitting, at a desk", "walking")
    assert pick_labels(["walking", "sitting, at a desk"], labels) == labels[:0:-1]
    assert pick_labels(["calling, walking"], labels) == ("calling", "walking")
    decided = Decider(labels, smoothing_s=0, allow=["sitting, at a desk"]).decide(
        weighed(0.1, 0.7, 0.2, at_s=0.0, labels=labels)
    )
    assert decided.action == "sitting, at a desk"
