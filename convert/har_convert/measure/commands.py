"""The command `har-convert measure`."""

from __future__ import annotations

import json
from collections.abc import Callable

import click

from har_convert.run_folder import Run, find_run, load_run
from har_edge.errors import DataError
from har_edge.machine.facts import machine_facts

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 96}
Rows = dict[str, dict[str, float]]


@click.group(context_settings=SETTINGS)
def measure() -> None:
    """Measure what a choice in the conversion is worth, as one JSON object.

    Experiments, not conversions: nothing is written, and TensorFlow's noise goes to standard
    error.
    """


def _run_and_data(command: Callable[..., None]) -> Callable[..., None]:
    """The argument and options that the experiments share."""
    count = click.IntRange(min=1)
    for decorate in (
        click.option("--clips", type=count, default=512, show_default=True, metavar="N",
                     help="Most held-out files to compare on."),
        click.option("--data", metavar="DIR", help="Folder that contains the held-out files."),
        click.argument("run"),
    ):  # fmt: skip
        command = decorate(command)
    return command


@measure.command("int8")
@_run_and_data
def int8_command(run: str, data: str | None, clips: int) -> None:
    """What int8 owes to preparing the weights, a stem in float, and the number of frames.

    Converts RUN to int8 without and with each of the first two, then with 16 to 192 calibration
    frames, and compares each file with Keras on the same held-out files.
    """
    from har_convert.measure.int8 import measure_int8

    _report(load_run(find_run(run), data), clips, measure_int8)


@measure.command("smaller")
@_run_and_data
def smaller_command(run: str, data: str | None, clips: int) -> None:
    """Whether pruning or clustering the weights would make the model smaller or faster.

    Prunes the pointwise convolutions of RUN by magnitude, or replaces each layer's weights by a
    few shared values, without training again; then measures accuracy with Keras, the file's size
    plain and compressed, and the latency.
    """
    from har_convert.measure.smaller import measure_smaller

    _report(load_run(find_run(run), data), clips, measure_smaller)


def _report(run: Run, clips: int, experiment: Callable[[Run, int], Rows]) -> None:
    """Carry out an experiment and print what it gave."""
    if not run.spec.encodes:
        raise DataError(
            f"{run.spec.name} should have an encoder, about which this is. Received a model of "
            f"{' and '.join(run.spec.head_inputs)}. Give another run."
        )
    result = {
        "model": run.spec.name,
        "rows": experiment(run, clips),
        "machine": machine_facts(),
    }
    click.echo(json.dumps(result, indent=2))
