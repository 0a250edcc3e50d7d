"""The half of a people conversion that needs TensorFlow: `python -m har_convert.people.worker JOB`.

JOB is a folder with `job.json`: the run folder and the variants. The program leaves a flatbuffer
for each variant there, and `reference.npz`, what the Keras model finds in the held-out pictures.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from har_convert.people.make import PeopleMaker
from har_convert.people.run import load_network, read_people_run
from har_convert.worker import do_job
from har_edge.say import Say


def work(folder: Path, say: Say) -> None:
    """Do what `job.json` asks for."""
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    run = read_people_run(Path(job["run"]))
    say("loading the Keras model")
    network = load_network(run)
    say("running the Keras model for comparison")
    frames = (frame[np.newaxis].astype(np.float32) for frame in run.held_out)
    people = np.concatenate([np.asarray(network.predict_on_batch(f)) for f in frames])
    np.savez(folder / "reference.npz", people=people)
    maker = PeopleMaker(run, network, say)
    for variant in job["variants"]:
        (folder / f"{variant}.tflite").write_bytes(maker.make(variant))


if __name__ == "__main__":
    do_job(work)
