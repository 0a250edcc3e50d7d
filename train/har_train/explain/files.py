"""Explanations of files, one by one, written as they are found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from har_edge.errors import DataError, SourceError
from har_edge.paths import display_path
from har_edge.run_folder import run_of
from har_train.explain.draw import save_explanation
from har_train.explain.gradcam import Explainer, Explanation
from har_train.model.keras_run import load_run
from har_train.run_folder import check_finished


def load_explainer(run: str) -> Explainer:
    """Load the Keras model that a run folder, a bundled name or a converted file stands for.

    Raises:
        DataError: if there is no such run folder.
        ModelFileError: if `run` is a file that is no model.
        BackendError: see `Explainer`.
    """
    check_finished(run)
    folder = run_of(run)
    if folder is None:
        raise DataError(
            f"explain needs gradients, which only a Keras model has. Received {display_path(run)}, "
            "and no run under ./runs has its name, labels and data. Give the run folder that the "
            "file was converted from."
        )
    return Explainer(load_run(folder))


def explain_files(
    explainer: Explainer, paths: Sequence[Path], folder: Path, *, action: str | None = None
) -> Iterator[Explanation | SourceError]:
    """Explain files one by one and write what `save_explanation` writes.

    Args:
        explainer: The model.
        paths: Pictures and clips; of two with the same name the later gets a number.
        folder: Where to.
        action: As for `Explainer.explain`.

    Yields:
        What was found, or why the file could not be decoded.

    Raises:
        DataError: if the model has no such action.
        OutputError: if the folder cannot be written.
    """
    used = Counter[str]()
    for path in paths:
        used[path.stem] += 1
        count = used[path.stem]
        try:
            found = explainer.explain(path, action)
            name = path.stem if count == 1 else f"{path.stem}-{count}"
            save_explanation(found, explainer.clip, folder, name)
            yield found
        except SourceError as error:
            yield error
