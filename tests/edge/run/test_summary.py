"""What a run amounts to."""

from __future__ import annotations

import numpy as np
import pytest

from har_edge.recognition.prediction import Prediction
from har_edge.run.summary import Flicker, Summary
from tests.support.records import measured


def prediction(at_s: float, action: str, source: str = "camera:0") -> Prediction:
    return Prediction(
        source=source,
        frame=0,
        timestamp_s=at_s,
        probabilities=np.array([0.9, 0.1] if action == "falling" else [0.1, 0.9], np.float32),
        labels=("falling", "sitting"),
        window_frames=1,
        decode_ms=0.0,
        preprocess_ms=0.0,
        encode_ms=0.0,
        classify_ms=0.0,
        captured_at_s=None,
        rejected=action == "unknown",
    )


def test_flicker_counts_switches_a_minute_of_observed_time() -> None:
    flicker = Flicker()
    assert flicker.per_minute == 0
    for i, action in enumerate(["sitting", "falling", "falling", "sitting", "unknown"]):
        flicker.add(prediction(i / 2, action))
        flicker.add(prediction(i / 2, "sitting", source="b"))
    # Three switches in two seconds of one source and two of the other.
    assert (flicker.switches, flicker.observed_s) == (3, 4.0)
    assert flicker.per_minute == pytest.approx(45)
    flicker.reset("camera:0")
    flicker.add(prediction(100.0, "sitting"))
    assert (flicker.switches, flicker.observed_s) == (3, 4.0)


def test_summary_counts_shares_and_percentiles() -> None:
    summary = Summary(frames=10)
    rows = [(0.8, 0.1, 0.1), (0.6, 0.2, 0.2), (0.1, 0.2, 0.7), (0.9, 0.1, 0.0)]
    for i, row in enumerate(rows):
        said = measured(*row, frame=i)
        summary.add(said, said)
    (first, share, confidence), (second, _, _) = summary.actions()
    assert (first, second) == ("falling", "still")
    assert share == 0.75
    assert confidence == pytest.approx((0.8 + 0.6 + 0.9) / 3, abs=1e-6)
    # Of an even number the lower one in the middle, to within half a bin of 1 %.
    assert summary.latency_ms(50) == pytest.approx(2.75, rel=0.005)
    text = summary.format()
    assert "75.0%" in text
    assert "4 predictions from 10 frames" in text


def test_empty_summary() -> None:
    assert Summary().format() == "No prediction was made.\n"
