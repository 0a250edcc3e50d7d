"""What `import har_convert` offers: a conversion and an audit, as the commands do them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from har_convert.conversion import Options, convert_run, default_folder
from har_convert.recipe import VARIANTS
from har_convert.results import Report
from har_convert.run_folder import find_run, load_run
from har_edge.errors import DataError
from har_edge.model.spec import Variant


def convert(
    run: str | os.PathLike[str] | None = None,
    variants: Sequence[Variant] = VARIANTS,
    out: str | os.PathLike[str] | None = None,
    *,
    max_accuracy_drop: float = 1.0,
    fallback: bool = False,
    data: str | os.PathLike[str] | None = None,
    calibration: str | os.PathLike[str] | None = None,
) -> Report:
    """Convert a trained run to model files, each verified in the edge's own runtime.

        run = har_train.fit("DATA", out="runs/mine", num_frames=16)
        report = har_convert.convert(run, variants=["int8"], out="models/mine")
        print(report)  # the table of `har-convert`
        har_edge.load(report.paths[0])

    Args:
        run: What `har_train.fit` gave or wrote, or the name of a bundled model; by default the
            newest run under `./runs`, else the bundled one.
        variants: Which files to make, out of `float32`, `float16`, `dynamic`, `int8`, `onnx` and
            `onnx-int8`.
        out: Folder for the files, their model card and checksums; by default `models/NAME`.
        max_accuracy_drop: The gate: most accuracy to lose against Keras, in points. A file that
            loses more is not written.
        fallback: Whether to try other recipes where the gate is missed.
        data: Where the run's held-out files lie; by default where it was trained from.
        calibration: Folder of classes or manifest to calibrate on; by default the run's frames.

    Returns:
        One entry a variant: files, sizes and what was measured.

    Raises:
        GateError: if a file missed the gate; those that met it are written.
        DataError: if the run, the data, a variant or the gate cannot be used.
        ConversionError: if the converter fails or crashes.
        OutputError: if `out` cannot be written.
        MissingExtraError: if the convert extra is not installed.
    """
    unknown = [variant for variant in variants if variant not in VARIANTS]
    if unknown or not variants:
        raise DataError(
            f"variants should be some of {', '.join(VARIANTS)}. Received "
            f"{', '.join(unknown) or 'none'}. Name what to convert to."
        )
    if not max_accuracy_drop >= 0:
        raise DataError(
            f"max_accuracy_drop should be points of accuracy from 0 on. Received "
            f"{max_accuracy_drop}. Give 1.0, say."
        )
    found = load_run(find_run(run), data, calibration)
    folder = Path(out) if out is not None else default_folder(found)
    how = Options(max_accuracy_drop=max_accuracy_drop, fallback=fallback)
    report = convert_run(found, variants, folder, how)
    report.refuse_misses()
    return report
