"""Judge a finished model, of any kind, on the data that it was trained with or on other data."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from har_edge.datasets import Listing, Sample, list_dataset
from har_edge.errors import DataError
from har_edge.model.file import ONNX_SUFFIXES, resolve_model
from har_edge.model.spec import ModelSpec
from har_edge.paths import display_path
from har_edge.run_folder import find_root, is_run_folder, list_data
from har_train.config import default_name
from har_train.evaluation.page import write_page
from har_train.evaluation.predict import Predictor, is_run
from har_train.model.keras_run import load_settings
from har_train.reports.metrics import measure_tempered
from har_train.reports.predictions import SplitPredictions
from har_train.reports.tables import REPORT_NAMES, write_predictions, write_report
from har_train.run_folder import check_finished, check_free, whole_folder
from har_train.watch import SILENT, Watch

PAGE_NAME = "evaluate.html"
OUTPUT_NAMES = {"metrics.json", "predictions.csv", PAGE_NAME, *REPORT_NAMES}


@dataclass(frozen=True)
class LabelledData:
    """What a model is judged on.

    Attributes:
        name: Where it came from.
        base: Folder that paths are written relative to.
        parts: Samples by part: some of train, val and test in this order, or `all`.
        stride: Frames between the starts of two windows where a run says so, else 0.
    """

    name: str
    base: Path
    parts: Mapping[str, Sequence[Sample]]
    stride: int = 0

    @property
    def labels(self) -> set[str]:
        """All classes that occur."""
        return {s.label for samples in self.parts.values() for s in samples}


@dataclass(frozen=True)
class Evaluation:
    """What a model said, and how good that is.

    Attributes:
        model: Name of the model's file or folder.
        spec: What the model says about itself.
        data: What it was judged on.
        parts: By part, tempered by `spec.temperature` as the edge gives them.
        metrics: By part, see `evaluate.measure`.
    """

    model: str
    spec: ModelSpec
    data: LabelledData
    parts: Mapping[str, SplitPredictions]
    metrics: Mapping[str, Mapping[str, float]]


def load_data(
    model: str, data: str | None, *, root: str = "", splits: Sequence[str] = ()
) -> LabelledData:
    """Find the samples to judge a model on.

    Args:
        model: As for `predict.load_predictor`.
        data: A dataset as for training, or a run folder for its data as it was split; None for
            the model's own run folder.
        root: Folder that the paths of a manifest or run start from.
        splits: Parts to keep; none for all.

    Raises:
        DataError: if there are none, or the model's run folder is unfinished.
        ModelFileError: if `data` is None and there is no such model.
    """
    check_finished(model)
    if data is None and not is_run(model):
        resolve_model(model)
        raise DataError(
            f"{display_path(model)} comes without the data that it was trained on. Say what to "
            f"evaluate it on: har-train evaluate {display_path(model)} DATA, where DATA is a "
            "folder of classes, a manifest, or the run folder that a file was converted from."
        )
    folder = Path(data or model)
    folder = folder.parent if folder.suffix == ".keras" else folder
    if data is None or is_run_folder(folder):
        found = _run_data(folder, root)
    else:
        table = folder.is_file()
        base = Path(root) if root and table else folder.parent if table else folder
        found = LabelledData(data, base, _parts(list_dataset(data, root), data))
    return _choose(found, splits) if splits else found


def _run_data(folder: Path, root: str) -> LabelledData:
    """The data of a run folder, split as it was for training."""
    config = load_settings(folder)
    parts = _parts(list_data(folder, root), folder)
    stride = config.window.stride
    return LabelledData(os.fspath(folder), find_root(folder, root), parts, stride)


def _parts(listing: Listing, data: str | Path) -> dict[str, list[Sample]]:
    """Sort samples by split; all of the data has to be usable."""
    if listing.problems:
        raise DataError(listing.problems[0].message)
    if not listing.samples:
        raise DataError(
            f"{display_path(data)} should contain a folder of pictures or clips for each class. "
            "Received none. Check the path."
        )
    return {name: part.samples for name, part in listing.parts().items() if part.samples}


def _choose(data: LabelledData, splits: Sequence[str]) -> LabelledData:
    missing = [split for split in splits if split not in data.parts]
    if missing:
        raise DataError(
            f"{display_path(data.name)} has no part {', '.join(missing)}. Expected some of "
            f"{', '.join(data.parts)}. Leave --split out, or define the splits in a manifest."
        )
    parts = {name: part for name, part in data.parts.items() if name in splits}
    return LabelledData(data.name, data.base, parts, data.stride)


def check_labels(labels: Sequence[str], data: LabelledData, *, allow_missing: bool = False) -> None:
    """Compare the classes of the data with the model's.

    Args:
        labels: The model's.
        data: What it is to be judged on.
        allow_missing: Whether the data may lack some of them.

    Raises:
        DataError: if the data has others, or lacks some.
    """
    shown, known = display_path(data.name), set(labels)
    unknown, missing = sorted(data.labels - known), sorted(known - data.labels)
    if unknown:
        raise DataError(
            f"{shown} has classes that the model does not know: {', '.join(unknown)}. Expected "
            f"some of {', '.join(labels)}. Rename these classes or leave them out."
        )
    if missing and not allow_missing:
        raise DataError(
            f"{shown} has no files of {', '.join(missing)}, which the model can predict, so the "
            "metrics would say nothing about them. Add files, or give --allow-missing."
        )


def evaluate(
    model: str,
    predictor: Predictor,
    data: LabelledData,
    *,
    watch: Watch = SILENT,
) -> Evaluation:
    """Judge a model.

    Args:
        model: Its name, for the record.
        predictor: The loaded model.
        data: What to judge it on; see `check_labels`.
        watch: Who is told how it goes, and of every file that cannot be decoded.

    Raises:
        DataError: if no file of a part can be decoded.
    """
    spec, parts, metrics = predictor.spec, {}, {}
    total = sum(len(samples) for samples in data.parts.values())
    tick = watch.samples(total, len(spec.labels))
    for name, samples in data.parts.items():
        found, raw = predictor.predict(samples, progress=tick, skipped=watch.say)
        groups = [sample.group for sample in found]
        parts[name], metrics[name] = measure_tempered(
            raw, spec.temperature, spec.reject_threshold, groups
        )
    return Evaluation(model, spec, data, parts, metrics)


def default_folder(model: str, data: str | None) -> Path:
    """Where an evaluation is written unless the user says so: one folder a model and dataset."""
    path = Path(model).absolute()
    path = path.parent if path.suffix == ".keras" else path
    endings = [end for end in (*ONNX_SUFFIXES, ".tflite") if path.name.endswith(end)]
    name = path.name.removesuffix(endings[0]) if endings else path.name
    return Path("evaluate") / (f"{name}-{default_name(data)}" if data else name)


def check_output(folder: Path) -> None:
    """Refuse a folder that holds anything but an earlier evaluation.

    Raises:
        OutputError: if it does, or cannot be made.
    """
    if not _is_evaluation(folder):
        check_free(folder)


def _is_evaluation(folder: Path) -> bool:
    """Whether a folder is what `save_evaluation` writes; that of before has no page."""
    return folder.is_dir() and {p.name for p in folder.iterdir()} | {PAGE_NAME} == OUTPUT_NAMES


def save_evaluation(evaluation: Evaluation, folder: Path) -> None:
    """Write tables and pictures; they appear under the folder's name once all are there.

    Raises:
        OutputError: if they cannot be written.
    """
    spec, parts = evaluation.spec, evaluation.parts
    about = {"model": evaluation.model, "variant": spec.variant, "data": evaluation.data.name}
    with whole_folder(folder) as whole:
        text = json.dumps({**about, **evaluation.metrics}, indent=2)
        (whole / "metrics.json").write_text(text + "\n", encoding="utf-8")
        write_predictions(parts, spec.labels, evaluation.data.base, whole / "predictions.csv")
        write_report(parts, spec, whole)
        page = write_page(
            evaluation.model, evaluation.data.name, spec, parts, evaluation.metrics, whole
        )
        (whole / PAGE_NAME).write_text(page, encoding="utf-8")
        if _is_evaluation(folder):
            shutil.rmtree(folder)
