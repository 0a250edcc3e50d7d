"""The model card: what was measured and what was said of the data, in Markdown."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from har_convert.convert import Verification
from har_convert.run_folder import Run, read_config
from har_edge.errors import OutputError
from har_edge.preprocess import display_path
from har_edge.spec import ModelSpec


def write_model_card(run: Run, results: Sequence[Verification], path: Path) -> None:
    """Write the card of a converted run."""
    try:
        path.write_text(format_model_card(run, results), encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{display_path(path)} cannot be written: {error.strerror}.") from error


def format_model_card(run: Run, results: Sequence[Verification]) -> str:
    """Compose the card; sections without content are left out."""
    config = read_config(run.folder)
    about = config.get("about")
    texts: dict[str, str] = about if isinstance(about, dict) else {}
    sections = {
        "Input and output": _contract(run.spec),
        "Accuracy on held-out data": _accuracy(run),
        "Files": _files(results),
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
    window = (
        f"{clip.num_frames} frames, {clip.window_s:.2f} s" if clip.num_frames > 1 else "1 frame"
    )
    return (
        f"- Window: {window}; frames are sampled at {clip.frame_rate_hz:g} Hz by timestamp.\n"
        f"- Frame: {clip.height} × {clip.width} RGB, 0..255, resize rule `{clip.resize}`.\n"
        f"- Backbone: {spec.backbone}, {spec.feature_size} features a frame.\n"
        f"- Labels: {', '.join(spec.labels)}."
    )


def _accuracy(run: Run) -> str:
    metrics = run.spec.metrics
    if "test_accuracy" not in metrics:
        return ""
    lines = [
        f"Keras model on {metrics['test_clips']:.0f} held-out files "
        f"({metrics['test_windows']:.0f} windows):",
        "",
        "| top-1 | top-2 | top-5 | top-1 per window |",
        "|---|---|---|---|",
        "| " + " | ".join(
            f"{metrics[f'test_{key}']:.1%}"
            for key in ("accuracy", "top_2_accuracy", "top_5_accuracy", "window_accuracy")
        ) + " |",
    ]  # fmt: skip
    report = run.folder / "classification_report.txt"
    if report.is_file():
        lines += ["", "```", report.read_text(encoding="utf-8").rstrip(), "```"]
    return "\n".join(lines)


def _files(results: Sequence[Verification]) -> str:
    basis = "held-out files" if results[0].held_out else "calibration frames"
    lines = [
        f"Each file was run in the edge runtime on {results[0].windows} windows of {basis} and "
        "compared with the Keras model.",
        "",
        "| file | size | same top-1 as Keras | largest probability difference | accuracy | Keras |",
        "|---|---|---|---|---|---|",
    ]
    for r in results:
        lines.append(
            f"| `{r.path.name}` | {r.size_bytes / 1e6:.1f} MB | {r.agreement:.1%} "
            f"| {r.max_difference:.2g} | {_percent(r.accuracy)} | {_percent(r.keras_accuracy)} |"
        )
    return "\n".join(lines)


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _confusion(run: Run) -> str:
    path = run.folder / "confusion_matrix.csv"
    if not path.is_file():
        return ""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
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


def _commands(texts: dict[str, str], config: dict[str, Any]) -> str:
    if texts.get("commands"):
        return texts["commands"]
    if not config:
        return ""
    return (
        "With the run folder's `config.toml`:\n\n```\n"
        "har-train fit --config config.toml --out RUN\nhar-convert RUN --float32 --int8\n```"
    )
