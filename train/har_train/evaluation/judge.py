"""Judge a model from Python as `har-train evaluate` does."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from har_edge.exclusive import one_at_a_time
from har_edge.paths import display_path
from har_edge.silence import doing
from har_train.dataset.samples import check_kind
from har_train.evaluation import evaluate as library
from har_train.evaluation.evaluate import Evaluation
from har_train.evaluation.predict import is_run, load_predictor
from har_train.extras import check_installed, prepare_tensorflow
from har_train.features.cache import default_cache
from har_train.watch import SILENT, Watch


@dataclass(frozen=True)
class EvaluateMeans:
    """What an evaluation works with.

    Attributes:
        cache: Folder of the feature cache; None for the user's own.
        backend: Runtime of a `.tflite` or `.onnx` model, see `har_edge.model.loaded.load_model`.
        num_threads: Of that runtime.
        watch: Who is told how it goes.
    """

    cache: str | os.PathLike[str] | None = None
    backend: str = "auto"
    num_threads: int = 1
    watch: Watch = SILENT


def evaluate(
    model: str | os.PathLike[str],
    data: str | os.PathLike[str] | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    root: str = "",
    splits: Sequence[str] = (),
    allow_missing: bool = False,
    means: EvaluateMeans | None = None,
) -> Evaluation:
    """Say how good a model is.

    Args:
        model: A `TrainedRun`, a run folder, a `.keras` file in one, a `.tflite` or `.onnx` file,
            or the name of a bundled model.
        data: Folder of classes, manifest, or run folder for its data as it was split; None for
            the model's own run.
        out: Folder to write tables and pictures to; None to write nothing.
        root: Folder that the paths of `data` start from.
        splits: Parts to judge; none for all.
        allow_missing: Whether the data may lack some of the model's classes.
        means: Cache, runtime, and who is told how it goes.

    Raises:
        DataError: if the data cannot be used, or does not fit the model.
        OutputError: if `out` holds something else, or cannot be written.
        MissingExtraError: if the train extra is not installed.

    Example::

        import har_train

        found = har_train.evaluate("runs/mine", splits=["test"])
        print(found.metrics["test"]["accuracy"])
    """
    means = means or EvaluateMeans()
    name, where = os.fspath(model), None if data is None else os.fspath(data)
    prepare_tensorflow()
    check_installed(*(["keras"] if is_run(name) else []), "sklearn", "matplotlib")
    judge = partial(_judge, name, where, root, splits, allow_missing, means)
    if out is None:
        return judge()
    folder = Path(out)
    library.check_output(folder)
    with one_at_a_time(folder, "Give another --out."):
        found = judge()
        with doing(f"Writing {display_path(folder)}"):
            library.save_evaluation(found, folder)
    return found


def _judge(
    name: str,
    where: str | None,
    root: str,
    splits: Sequence[str],
    allow_missing: bool,
    means: EvaluateMeans,
) -> Evaluation:
    judged = library.load_data(name, where, root=root, splits=splits)
    with doing("Loading the model"):
        predictor = load_predictor(
            name,
            cache=Path(means.cache) if means.cache else default_cache(),
            backend=means.backend,
            num_threads=means.num_threads,
            stride=judged.stride,
        )
    samples = [sample for part in judged.parts.values() for sample in part]
    check_kind(samples, poses="features" not in predictor.spec.head_inputs)
    library.check_labels(predictor.spec.labels, judged, allow_missing=allow_missing)
    return library.evaluate(name, predictor, judged, watch=means.watch)
