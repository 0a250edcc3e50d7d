"""What int8 owes to its steps: the preparation of the weights, and the number of frames.

    python convert/measure_int8.py RUN [--data DATA] [--clips 512] > result.json

Converts a run to int8 without and with `har_convert.tflite.ptq`, then with 16 to 192 calibration
frames, and compares each file with Keras on the same held-out files. Needs the convert extra;
the converter's noise goes to standard error.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from har_convert.recipe import Recipe
from har_convert.run_folder import Run, find_run, iter_clips, load_run
from har_convert.verify import Outputs, Verification, compare, run_models
from har_convert.worker import Maker, load_parts
from har_edge.machine.facts import machine_facts
from har_edge.model.file import pack_model_file

FRAMES = (16, 32, 64, 128, 192)


class Plain(Maker):
    """Gives the converter the weights as they were trained."""

    @property
    def prepared(self):  # type: ignore[no-untyped-def, override]
        return self.encoder, []


def main() -> None:
    """Convert and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", help="run folder or bundled name")
    parser.add_argument("--data", help="folder that the held-out files lie in")
    parser.add_argument("--clips", type=int, default=512)
    options = parser.parse_args()
    run = load_run(find_run(options.run), options.data)
    held_out = run.held_out(options.clips)
    parts = load_parts(run)
    makers = {"plain": Plain(run, *parts), "prepared": Maker(run, *parts)}
    for frames in FRAMES:
        makers[f"prepared, {frames} frames"] = Maker(
            replace(run, calibration_frames=frames), *parts
        )
    clips = (makers["plain"].predict(clip) for clip in iter_clips(run, held_out))
    features, probabilities = map(np.concatenate, zip(*clips, strict=True))
    rows = measure(run, makers, Outputs(features, probabilities), options.clips)
    machine = machine_facts()
    print(json.dumps({"model": run.spec.name, "rows": rows, "machine": machine}, indent=2))


def measure(
    run: Run, makers: dict[str, Maker], reference: Outputs, limit: int
) -> dict[str, dict[str, float]]:
    """Make an int8 file with each maker and compare them all with Keras."""
    with TemporaryDirectory() as folder:
        paths = {}
        for i, (name, maker) in enumerate(makers.items()):
            (content,) = maker.make(Recipe("int8"))
            paths[name] = Path(folder) / f"{i}.tflite"
            paths[name].write_bytes(pack_model_file(content, run.spec.with_(variant="int8")))
        outputs, clips = run_models(paths, run, run.held_out(limit), num_threads=2)
    found = {name: compare("int8", o, reference, clips) for name, o in outputs.items()}
    return {name: _row(result) for name, result in found.items()}


def _row(result: Verification) -> dict[str, float]:
    low, high = result.drop_interval
    return {
        "windows": result.windows,
        "top_1_agreement_with_keras": round(result.agreement, 4),
        "feature_cosine": round(result.feature_cosine, 5),
        "max_probability_difference": round(result.max_difference, 4),
        "accuracy_drop_points": round(result.drop, 2),
        "accuracy_drop_low": round(low, 2),
        "accuracy_drop_high": round(high, 2),
    }


if __name__ == "__main__":
    main()
