"""One process, one job: load a model, measure, say what was found, end.

The job comes as one JSON object on standard input. What happens goes to standard output as JSON
lines: `stage` says what is being done, `progress` and `sample` that it goes on, and the last is
`result` or `error`. Native libraries that print on their own cannot disturb it: their standard
output is led to standard error.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from har_edge.errors import HarError
from har_edge.model.loaded import LoadedModel, load_model

Say = Callable[..., None]
LoadModel = Callable[..., LoadedModel]


def main(load: LoadModel = load_model) -> None:
    """Do the job on standard input.

    Args:
        load: Loads a model as `har_edge.model.loaded.load_model` does. Another one wraps it,
            to measure a backend of one's own.
    """
    say = _speaker(_own_stdout())
    try:
        job = json.load(sys.stdin)
        say("result", result=do(job, say, load))
    except HarError as error:
        say("error", message=str(error))
    except MemoryError:
        say("error", message="The process ran out of memory. Close other programs.")


def do(job: Mapping[str, Any], say: Say, load: LoadModel = load_model) -> dict[str, Any]:
    """Do one job.

    Args:
        job: `task` names the function; the rest is what it needs.
        say: Takes the kind of an event and its fields.
        load: See `main`.
    """
    from har_benchmarks.tasks import accuracy
    from har_benchmarks.tasks import profile as profile_ops
    from har_benchmarks.tasks import timing as measure

    tasks: dict[str, Callable[..., dict[str, Any]]] = {
        "timing": measure.timing,
        "end_to_end": measure.end_to_end,
        "sustained": measure.sustained,
        "accuracy": accuracy.answer,
        "profile": profile_ops.profile,
    }
    return tasks[job["task"]](job, say, load)


def _own_stdout() -> TextIO:
    """Keep standard output for ourselves; whatever else writes there goes to standard error."""
    own = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return own


def _speaker(stream: TextIO) -> Say:
    def say(event: str, **fields: Any) -> None:
        stream.write(json.dumps({"event": event, **fields}) + "\n")
        stream.flush()

    return say


if __name__ == "__main__":
    main()
