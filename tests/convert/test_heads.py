"""Every temporal head becomes an int8 file of builtin ops that says what Keras says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from har_convert.auditing.audit import audit
from har_convert.conversion import convert_run
from har_convert.run_folder import iter_clips, load_run
from har_convert.worker import Maker, load_parts
from har_edge.model.loaded import apply_temperature, load_model
from har_train.config import Head, HeadInput

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.train

LOOPS = {"WHILE", "IF", "CALL_ONCE", "UNIDIRECTIONAL_SEQUENCE_LSTM"}


@pytest.mark.parametrize(
    ("head", "head_input"),
    [
        ("lstm", "features"),
        pytest.param("attention", "features", marks=pytest.mark.slow),
        pytest.param("gru", "features", marks=pytest.mark.slow),
        pytest.param("bilstm", "features", marks=pytest.mark.slow),
        ("mean", "features"),
        pytest.param("lstm", "differences", marks=pytest.mark.slow),
        pytest.param("mean", "differences", marks=pytest.mark.slow),
    ],
)
def test_int8_file_of_a_head(
    head: Head,
    head_input: HeadInput,
    train: Callable[..., Path],
    in_process: None,
    tmp_path: Path,
) -> None:
    run = load_run(train(head, head_input))
    (made,) = convert_run(run, ["int8"], tmp_path).conversions
    assert made.passed, made.reason
    assert made.result.agreement == 1.0
    assert made.result.max_difference < 0.1
    assert made.result.feature_cosine > 0.99

    found = audit(made.paths[0])
    assert found.not_builtin == found.flex_ops == ()
    kinds = {op.name for signature in found.signatures for op in signature.ops}
    assert not kinds & LOOPS
    assert "SOFTMAX" in kinds
    assert found.runtimes["litert"] == "loads and runs"

    # And on random windows of features, which no training has seen.
    maker, model = Maker(run, *load_parts(run)), load_model(made.paths[0])
    (clip,) = iter_clips(run, [])
    features, _ = maker.predict(clip)
    random = np.random.default_rng(0)
    windows = features[random.integers(0, len(features), (40, 3))]
    raw = np.asarray(maker.classifier.predict_on_batch(windows))
    expected = apply_temperature(raw, run.spec.temperature)
    given = np.stack([model.classify(window) for window in windows])
    assert np.abs(given - expected).mean() < 0.05
    assert (given.argmax(axis=1) == expected.argmax(axis=1)).mean() >= 0.85
    assert np.ptp(given, axis=0).max() > 0.2  # the head hears its input
