"""Write golden.json: probabilities of fixed frames for every model file under test.

The numbers by which `har-edge doctor` judges a machine, in the package, are written too.

    python tests/assets/make_golden.py

To be run after a bundled or tiny model was replaced on purpose, and never to silence a test.
"""

import json
import sys
from pathlib import Path

import numpy as np

from har_edge.machine.golden import (
    GOLDEN,
    ONNX_VARIANTS,
    TFLITE_VARIANTS,
    golden_key,
    golden_numbers,
    variant_model,
)
from har_edge.model.loaded import load_model

sys.path.insert(0, str(Path(__file__).parents[1] / "edge"))
from tests.support.golden_frames import golden_frames

HERE = Path(__file__).parent
OF_PIXELS = ("har15", "clips")
BUNDLED = (*OF_PIXELS, "poses")


def main() -> None:
    # MediaPipe's single graphs are not for the runner, and models of poses see no frames.
    left_out = ("mediapipe", "pose")
    tflite = [p for p in HERE.glob("tiny-*.tflite") if not any(n in p.name for n in left_out)]
    tiny = sorted([*tflite, *HERE.glob("tiny-*.encode.onnx")])
    golden = {}
    for name in (*OF_PIXELS, *(path.name for path in tiny)):
        model = load_model(name if name in OF_PIXELS else HERE / name)
        clip = model.spec.clip
        frames = golden_frames(clip.height, clip.width, clip.num_frames)
        golden[name] = [round(float(p), 6) for p in model.classify_clip(np.asarray(frames))]
    text = json.dumps(golden, indent=2) + "\n"
    (HERE / "golden.json").write_text(text, encoding="utf-8")
    variants = [variant_model(variant) for variant in (*TFLITE_VARIANTS, *ONNX_VARIANTS)]
    models = [load_model(model) for model in (*BUNDLED, *variants)]
    numbers = {golden_key(model): golden_numbers(model) for model in models}
    GOLDEN.write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
