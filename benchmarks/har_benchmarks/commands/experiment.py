"""`har-bench experiment`: single questions, each a command that is loaded when it is needed."""

from __future__ import annotations

import importlib

import click

# Name to what its list says; the code is the module of that name in `har_benchmarks.experiments`.
EXPERIMENTS = {
    "across-runtimes": "Does a model file give the same results in every runtime?",
    "against-litert-benchmark": "Does har-bench agree with litert-benchmark?",
    "checkouts": "Is har-edge slower or larger than in another checkout?",
    "cold-start": "How long does it take from the command to the first prediction?",
    "compare-alarms": "Does har-bench compare catch slowdowns, and only slowdowns?",
    "decode": "Is PyAV as fast as OpenCV, and does it give the same tensors?",
    "end-to-end": "How close does har-edge run come to the bare interpreter?",
    "falls": "Does the alarm for falls find falls, and only falls?",
    "first-answer": "How long from pip install to the first right answer?",
    "float-path": "What does a frame cost besides the network?",
    "mediapipe-model": "Build the single graph that MediaPipe's ImageClassifier runs.",
    "memory": "How much memory does har-edge run need, and does it grow?",
    "motion-gate": "What does the motion gate save, and what does it cost?",
    "nobody": "What do models claim of pictures without people?",
    "pareto": "How does accuracy trade off against size and latency?",
    "people": "What does it cost to tell people apart?",
    "serve-load": "How many clients can har-edge serve handle?",
    "serve-memory": "How much memory do large uploads cost, and for how long?",
    "teach": "What does teaching an action cost the other actions?",
    "tracks": "How often does a person's number change?",
    "train-speed": "What does training cost besides the network?",
}


class Experiments(click.Group):
    """A group whose commands are imported by name, for most need numpy and OpenCV at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the alphabet."""
        return sorted(EXPERIMENTS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import an experiment."""
        if cmd_name not in EXPERIMENTS:
            return None
        name = cmd_name.replace("-", "_")
        module = importlib.import_module(f"har_benchmarks.experiments.{name}")
        found = module.command
        assert isinstance(found, click.Command)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the experiments without importing any."""
        with formatter.section("Experiments"):
            formatter.write_dl(sorted(EXPERIMENTS.items()))


@click.group(cls=Experiments, subcommand_metavar="NAME [ARGS]...")
def experiment() -> None:
    """Answer one question about speed, memory or accuracy, as for the reference results.

    \b
    Examples:
      har-bench experiment end-to-end --model har15 --out end-to-end.json
      har-bench experiment cold-start --help
    """
