"""What people type who know other tools: the word, and what it is called here."""

from __future__ import annotations

import difflib
import re

import click

# Program → word → what to do. A program's own words go before those of all.
_ALL: dict[str, str] = {
    "--imgsz": "The frame size belongs to the model; it is set in training: har-train fit --size.",
    "--half": "Precision belongs to the file: har-convert --float16 or --int8 makes one.",
    "predict": "Recognise with: har-edge run SOURCES.",
    "train": "Train with: har-train fit DATA.",
    "val": "Judge a model with: har-train evaluate MODEL DATA.",
    "export": "Convert with: har-convert RUN --int8.",
    "benchmark": "Measure with: har-bench run MODELS.",
}
_SAME = {
    "--img": "--imgsz",
    "--img-size": "--imgsz",
    "--image-size": "--imgsz",
    "--fp16": "--half",
    "detect": "predict",
    "infer": "predict",
    "inference": "predict",
    "fit": "train",
    "evaluate": "val",
    "eval": "val",
    "test": "val",
    "validate": "val",
    "convert": "export",
    "bench": "benchmark",
    "--conf-thres": "--conf",
    "--threshold": "--conf",
    "--confidence": "--conf",
    "--input": "--source",
    "--video": "--source",
    "--img-path": "--source",
    "--gpu": "--device",
    "--batch": "--batch-size",
    "--lr": "--lr0",
}
_HABITS: dict[str, dict[str, str]] = {
    "har-edge": {
        "--source": "Sources are named without an option: har-edge run video.mp4.",
        "--conf": "Use --score-threshold P: below it, the action is 'unknown'.",
        "--device": "Models run on the processor: --num-threads sets its cores, --backend the "
        "runtime.",
        "--weights": "Use -m MODEL: a bundled name, a file or a folder; see har-edge models.",
        "--save": "Use --save-video FILE for an annotated video, -o FILE for the answers.",
        "--view-img": "Use --show.",
        "--classes": "Use --allow ACTIONS.",
        "--stream": "Streams are named without an option: har-edge run rtsp://HOST/PATH.",
        "list": "List the bundled models with: har-edge models.",
    },
    "har-train": {
        "--imgsz": "Use --size PIXELS.",
        "--source": "Data is named without an option: har-train fit DATA.",
        "--data": "Data is named without an option: har-train fit DATA.",
        "--conf": "Training has no threshold; a run has: har-edge run --score-threshold P.",
        "--device": "TensorFlow takes a GPU that it finds; hide it with CUDA_VISIBLE_DEVICES= . "
        "For several, use --strategy mirrored.",
        "--batch-size": "Use --batch-size N.",
        "--lr0": "Use --learning-rate RATE.",
        "--model": "Use --backbone NAME for the network, --weights MODEL for where it starts.",
        "train": "Train with: har-train fit DATA.",
    },
    "har-convert": {
        "--format": "Name the variants: --int8, --float16, --onnx and others, see --help.",
        "--source": "The run is named without an option: har-convert runs/mine --int8.",
        "--weights": "The run is named without an option: har-convert runs/mine --int8.",
        "--model": "The run is named without an option: har-convert runs/mine --int8.",
        "--conf": "Conversion has no threshold; a run has: har-edge run --score-threshold P.",
        "--device": "Conversion runs on the processor; there is nothing to choose.",
        "--half": "Use --float16.",
        "--nms": "There are no boxes to suppress: a model here gives actions.",
    },
    "har-bench": {
        "--source": "Use --end-to-end VIDEO to measure from decoding to action.",
        "--model": "Models are named without an option: har-bench run models/mine.",
        "--weights": "Models are named without an option: har-bench run models/mine.",
        "--conf": "Measuring has no threshold; a run has: har-edge run --score-threshold P.",
        "--device": "Use --backends for the runtimes and --threads for their threads.",
    },
}


def suggestion(program: str, word: str) -> str:
    """Say what a word from elsewhere is called here; "" if it is none.

    Args:
        program: The command that it was given to, such as `har-edge`.
        word: An option or a sub-command.

    Example:
        >>> suggestion("har-edge", "--conf-thres")
        "Use --score-threshold P: below it, the action is 'unknown'."
        >>> suggestion("har-edge", "fit")
        'Train with: har-train fit DATA.'
        >>> suggestion("har-edge", "--no-such-thing")
        ''
    """
    own = _HABITS.get(program, {})
    for name in (word, _SAME.get(word, word)):
        if found := own.get(name) or _ALL.get(name):
            return found
    return ""


def with_suggestion(error: click.ClickException) -> click.ClickException:
    """Have a refusal of a word from elsewhere say what it is called here."""
    context = getattr(error, "ctx", None)
    called = str(context.find_root().info_name) if context is not None else ""
    # By its name or as a module: `har-edge`, `python -m har_edge`, `har-convert audit`.
    words = called.replace("_", "-").split()
    program = next((word for word in words if word in _HABITS), "")
    message = error.format_message()
    if isinstance(error, click.NoSuchOption):
        word = error.option_name
    elif found := re.match(r"No such command '([^']+)'", message):
        word = found[1]
    else:
        return error
    advice = suggestion(program, word)
    if not advice and message == f"No such command '{word}'.":
        advice = _guess(word, context)
    if not advice:
        return error
    kind = "option" if word.startswith("-") else "command"
    return click.UsageError(f"No such {kind} '{word}'. {advice}", context)


def _guess(word: str, context: click.Context | None) -> str:
    """Guess what was mistyped, as click does itself from release 8.4 on; "" for nothing near."""
    if context is None or not isinstance(context.command, click.Group):
        return ""
    near = difflib.get_close_matches(word, context.command.list_commands(context), n=1)
    return "".join(f"Did you mean '{name}'?" for name in near)
