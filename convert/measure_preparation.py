"""What preparing the weights is worth: int8 with and without it, on a run's held-out files.

    python convert/measure_preparation.py RUN [DATA] > result.json

Needs the convert extra. RUN is a run folder or a bundled name, DATA the folder its held-out
files lie in. The converter's noise goes to standard error.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np

from har_convert.convert import _run_model
from har_convert.ptq import prepare
from har_convert.run_folder import find_run, iter_clips, load_run
from har_convert.to_tflite import _calibration, export, load_parts, predict, quantize
from har_edge.model_file import pack_model_file

CLIPS = 512


def main() -> None:
    """Convert twice and compare both with Keras."""
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    run = load_run(find_run(sys.argv[1]), sys.argv[2] if len(sys.argv) == 3 else None)
    held_out = run.held_out(CLIPS)
    encoder, classifier = load_parts(run)
    reference = np.concatenate([predict(encoder, classifier, c) for c in iter_clips(run, held_out)])
    results: dict[str, object] = {"model": run.spec.name, "windows": len(reference)}
    for name in ("plain", "prepared"):
        stem = prepare(encoder, run.representative().frames) if name == "prepared" else ""
        with tempfile.TemporaryDirectory() as folder:
            export(encoder, classifier, run, folder)
            content = quantize(folder, "int8", _calibration(encoder, run), float_until=stem)
            path = Path(folder) / "model.tflite"
            path.write_bytes(pack_model_file(content, run.spec.with_(variant="int8")))
            probabilities, _, _ = _run_model(path, run, held_out)
        same = probabilities.argmax(axis=1) == reference.argmax(axis=1)
        results[name] = {
            "top_1_agreement_with_keras": round(float(same.mean()), 4),
            "mean_probability_difference": round(
                float(np.abs(probabilities - reference).mean()), 5
            ),
            "size_bytes": len(content),
        }
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
