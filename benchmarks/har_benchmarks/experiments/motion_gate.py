"""What the motion gate saves, and what it costs in answers.

    har-bench experiment motion-gate DATA [--every N] [--out JSON]

Clips of fixed cameras in DATA are answered with and without the gate, at several thresholds; so
are made-up still scenes: the first frame of a clip, held for 30 s with sensor noise and light that
swells and fades, written as a compressed video and read again. A window counts as changed if its
most probable action is another one than without the gate. How often answers change from one window
to the next without the gate is told too (`unsteady`): of a still scene, that is noise alone.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from har_benchmarks.experiments.result import write_result
from har_benchmarks.results.document import file_facts
from har_edge.arrays import FloatArray, Pixels
from har_edge.commands.harness import note
from har_edge.frames.opencv import import_cv2
from har_edge.machine.facts import machine_facts
from har_edge.model.loaded import LoadedModel, load_model
from har_edge.recognition.motion import MAX_HOLD_S, NOISE_LEVELS, THRESHOLD, MotionGate
from har_edge.sources.clips import load_frames

# Actions, and scenes in which people are but do little.
FOLDERS = {
    "fights": "surveillance_fight/fight",
    "streets and shops": "surveillance_fight/noFight",
    "falls (synthetic)": "bed_fall/fall",
    "getting out of bed (synthetic)": "bed_fall/non_fall",
}
THRESHOLDS = (0.0, 0.003, THRESHOLD, 0.02, 0.05)
NOISES = (2.0, 6.0, 12.0)
STILL_S = 30
STILL_SCENES = 4


@click.command()
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--every", type=click.IntRange(min=1), default=5, show_default=True, metavar="N",
              help="Use every N-th clip.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), help="JSON file to write.")
def command(data: Path, every: int, out: Path | None) -> None:
    """Measure what the motion gate saves on clips in DATA, and how many predictions it changes.

    \b
    Example:
      har-bench experiment motion-gate DATA --every 5 --out motion-gate.json
    """
    model = load_model("clips", num_threads=2)
    clips = {}
    for name, folder in FOLDERS.items():
        paths = sorted((data / folder).glob("*.mp4"))[::every]
        clips[name] = compare(model, [load_frames(p, model.spec.clip) for p in paths])
        tell(name, clips[name])
    scenes = sorted((data / FOLDERS["streets and shops"]).glob("*.mp4"))[::37][:STILL_SCENES]
    still = {}
    for noise in NOISES:
        frames = [still_scene(model, path, noise) for path in scenes]
        still[f"noise {noise:g}"] = compare(model, frames)
        tell(f"still, noise {noise:g}", still[f"noise {noise:g}"])
    facts = {
        "model": file_facts(model.path),
        "noise_levels": NOISE_LEVELS,
        "max_hold_s": MAX_HOLD_S,
        "every": every,
        "clips": clips,
        "still_scenes": still,
        "machine": machine_facts(),
    }
    write_result(facts, out)


def still_scene(model: LoadedModel, path: Path, noise: float) -> Pixels:
    """Hold the first frame of a clip for half a minute, as a camera would deliver it."""
    cv2 = import_cv2()
    picture = load_frames(path, model.spec.clip)[0].astype(np.float32)
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder) / "still.mp4"
        rate = model.spec.clip.frame_rate_hz
        height, width = picture.shape[:2]
        writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*"mp4v"), rate, (width, height))
        for i in range(int(STILL_S * rate)):
            light = 1 + 0.1 * np.sin(2 * np.pi * i / (20 * rate))
            frame = picture * light + random.normal(0, noise, picture.shape)
            writer.write(np.clip(frame, 0, 255).astype(np.uint8)[..., ::-1])
        writer.release()
        return load_frames(video, model.spec.clip)


def compare(model: LoadedModel, clips: Sequence[Pixels]) -> dict[str, dict[str, float]]:
    """Answers with the gate, at each threshold, against those without, over all windows."""
    encoded = [np.stack([model.encode(frame) for frame in clip]) for clip in clips]
    plain = [classify_all(model, features) for features in encoded]
    steps = [np.diff(answers.argmax(axis=1)) != 0 for answers in plain]
    unsteady = float(np.mean(np.concatenate(steps)))
    results = {}
    for threshold in THRESHOLDS:
        frames, skipped, changed, differences = 0, 0, [], []
        for clip, features, before in zip(clips, encoded, plain, strict=True):
            gate = MotionGate(threshold=threshold)
            used = reused(gate, clip, model.spec.clip.frame_rate_hz)
            after = classify_all(model, features[used])
            frames, skipped = frames + gate.frames, skipped + gate.skipped
            changed += (before.argmax(axis=1) != after.argmax(axis=1)).tolist()
            differences += np.abs(before - after).max(axis=1).tolist()
        results[f"{threshold:g}"] = {
            "frames": frames,
            "skipped": skipped / frames,
            "windows": len(changed),
            "changed": float(np.mean(changed)),
            "unsteady": unsteady,
            "mean_largest_difference": float(np.mean(differences)),
        }
    return results


def reused(gate: MotionGate, clip: Pixels, frame_rate_hz: float) -> list[int]:
    """For each frame, the index of the frame whose features are used for it."""
    used: list[int] = []
    for i, frame in enumerate(clip):
        used.append(i if gate.needs_encoding(frame, i / frame_rate_hz) else used[-1])
    return used


def classify_all(model: LoadedModel, features: FloatArray) -> NDArray[np.float32]:
    """Answers for all whole windows, every second one; (M, C)."""
    size = model.spec.clip.num_frames
    starts = range(0, max(1, len(features) - size + 1), 2)
    windows = [features[s : s + size] for s in starts if s + size <= len(features)]
    answers = [model.classify(np.ascontiguousarray(window)) for window in windows]
    return np.stack(answers) if answers else np.zeros((0, len(model.spec.labels)), np.float32)


def tell(name: str, results: dict[str, dict[str, float]]) -> None:
    """Print a line for each threshold."""
    for threshold, row in results.items():
        note(
            f"{name:<32} threshold {threshold:<6} skipped {row['skipped']:6.1%} of "
            f"{row['frames']} frames, {row['changed']:6.2%} of {row['windows']} answers changed, "
            f"{row['unsteady']:.2%} unsteady without"
        )
