"""The model card: measurements and facts about the data, in Markdown."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from pathlib import Path

from har_convert.recipe import VARIANTS
from har_convert.results import format_size
from har_convert.run_folder import Run
from har_edge.counted import counted
from har_edge.files import write_whole
from har_edge.machine.facts import machine_facts
from har_edge.model.file import ONNX_SUFFIXES, ModelFile, models_in, read_model_file
from har_edge.model.spec import ModelSpec
from har_edge.run_folder import read_config

CARD_NAME, SUMS_NAME = "MODEL_CARD.md", "SHA256SUMS"
ORDER = (*VARIANTS, "int16")


def write_model_card(run: Run, folder: Path) -> None:
    """Write the card of a converted run, and the checksums of all its files, into their folder.

    Both speak of every file of the run that lies there, whenever it was made: each carries what
    was measured of it.

    Raises:
        OutputError: if they cannot be written.
    """
    paths = [path for path in models_in(folder) if path.name.startswith(f"{run.spec.name}-")]
    files = sorted(map(read_model_file, paths), key=lambda f: ORDER.index(f.spec.variant))
    write_whole(folder / CARD_NAME, format_model_card(run, files))
    write_whole(folder / SUMS_NAME, _checksums(run, folder))


def _checksums(run: Run, folder: Path) -> str:
    """The lines that `sha256sum --check` reads."""
    paths = [*folder.glob(f"{run.spec.name}-*.tflite"), *folder.glob(f"{run.spec.name}-*.onnx")]
    digests = (
        (path.name, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in (*sorted(paths), folder / CARD_NAME)
    )
    return "".join(f"{digest}  {name}\n" for name, digest in digests)


def format_model_card(run: Run, files: Sequence[ModelFile]) -> str:
    """Compose the card; sections without content are left out."""
    config = read_config(run.folder)
    about = config.get("about")
    texts: dict[str, str] = about if isinstance(about, dict) else {}
    sections = {
        "Input and output": _contract(run.spec),
        "Accuracy on held-out data": _accuracy(run),
        "Files": _files(files),
        "Confusion matrix": _confusion(run),
        "Data and split": texts.get("data", ""),
        "Limits": texts.get("limits", ""),
        "Licence": run.spec.license,
        "How it was made": _commands(texts, config),
    }
    parts = [f"# {run.spec.name}", run.spec.description]
    for title, body in sections.items():
        if body.strip():
            parts.append(f"## {title}\n\n{body.strip()}")
    return "\n\n".join(part for part in parts if part) + "\n"


def _contract(spec: ModelSpec) -> str:
    clip = spec.clip
    window = f"{clip.num_frames} frames, {clip.window_s:.2f} s" if clip.windowed else "1 frame"
    return (
        f"- Window: {window}; frames are sampled at {clip.frame_rate_hz:g} Hz by timestamp.\n"
        f"{_input(spec)}"
        f"- Labels: {', '.join(spec.labels)}."
    )


def _input(spec: ModelSpec) -> str:
    clip = spec.clip
    if not spec.encodes:
        return (
            f"- Person in a frame: {' and '.join(spec.head_inputs)}, {spec.row_size} numbers. No "
            "pixels: another network finds people and their keypoints.\n"
        )
    return (
        f"- Frame: {clip.height} × {clip.width} RGB, 0..255, resize rule `{clip.resize}`.\n"
        f"- Backbone: {spec.backbone}, {spec.feature_size} features a frame.\n"
    )


def _accuracy(run: Run) -> str:
    metrics = run.spec.metrics
    if "test_accuracy" not in metrics:
        return ""
    columns = {
        "top-1": "test_accuracy",
        "top-2": "test_top_2_accuracy",
        "top-5": "test_top_5_accuracy",
        "top-1 per window": "test_window_accuracy",
    }
    # Of few classes the right one is always among the first: har-train gives no such figure.
    columns = {title: key for title, key in columns.items() if key in metrics}
    lines = [
        f"Keras model on {counted(round(metrics['test_clips']), 'held-out file')} "
        f"({counted(round(metrics['test_windows']), 'window')}):",
        "",
        f"| {' | '.join(columns)} |",
        "|" + "---|" * len(columns),
        "| " + " | ".join(f"{metrics[key]:.1%}" for key in columns.values()) + " |",
    ]
    report = run.folder / "classification_report.txt"
    if report.is_file():
        lines += ["", "```", report.read_text(encoding="utf-8").rstrip(), "```"]
    return "\n".join(lines)


def _files(files: Sequence[ModelFile]) -> str:
    if not files:
        return ""
    machine = machine_facts()
    lines = [
        "Each file was run in the edge's runtime and compared with the Keras model before it got "
        "its name. Drop is the accuracy lost, in points, with its 95 % interval (paired "
        "bootstrap over clips); without labels, what Keras's own probabilities let expect. "
        f"Latency is the median of one call with one thread on {machine['cpu']}.",
        "",
        "| file | size | top-1 as Keras | largest probability difference | accuracy | drop "
        "| encode | classify | needs |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*lines, *map(_file_row, files), "", _basis(files[-1].spec)])


def _file_row(file: ModelFile) -> str:
    m = file.spec.metrics
    names = [file.path.name]
    if file.path.name.endswith(ONNX_SUFFIXES[0]):
        names.append(file.path.name.removesuffix(ONNX_SUFFIXES[0]) + ONNX_SUFFIXES[1])
    drop = (
        f"{m['accuracy_drop_points']:.1f} ({m['accuracy_drop_low']:.1f} to "
        f"{m['accuracy_drop_high']:.1f})"
    )
    cells = (
        ", ".join(f"`{name}`" for name in names),
        format_size(file.size_bytes),
        f"{m['top_1_agreement_with_keras']:.1%}",
        f"{m['max_probability_difference']:.2g}",
        _percent(m.get("verified_accuracy")),
        drop,
        f"{m['encode_ms']:.2f} ms" if file.spec.encodes else "–",
        f"{m['classify_ms']:.2f} ms",
        file.spec.min_runtime,
    )
    return f"| {' | '.join(cells)} |"


def _basis(spec: ModelSpec) -> str:
    m = spec.metrics
    if m["verified_on_held_out"]:
        return (
            f"Compared on {m['verified_windows']:.0f} windows of {m['verified_clips']:.0f} "
            f"held-out files. Keras recognises {m['verified_keras_accuracy']:.1%} of these files."
        )
    return f"Compared on {m['verified_windows']:.0f} windows of calibration frames, without labels."


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _confusion(run: Run) -> str:
    path = run.folder / "confusion_matrix.csv"
    if not path.is_file():
        return ""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    if rows and not rows[0][0].isdecimal():  # with the names of classes, as of version 0.2
        rows = [row[1:] for row in rows[1:]]
    labels = [label.replace("|", "\\|") for label in run.spec.labels]
    if len(rows) != len(labels):
        return ""  # of another run
    lines = [
        "Rows are the true class, columns the predicted one (held-out files, Keras model).",
        "",
    ]
    lines.append("| | " + " | ".join(labels) + " |")
    lines.append("|---|" + "---|" * len(labels))
    for i, (label, row) in enumerate(zip(labels, rows, strict=True)):
        cells = [f"**{v}**" if i == j else v if v != "0" else "" for j, v in enumerate(row)]
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _commands(texts: dict[str, str], config: dict[str, object]) -> str:
    if texts.get("commands"):
        return texts["commands"]
    if not config:
        return ""
    return (
        "With the run folder's `config.toml`:\n\n```\n"
        "har-train fit --config config.toml --out RUN\nhar-convert RUN --all\n```"
    )
