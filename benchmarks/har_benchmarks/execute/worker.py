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
from typing import TextIO

from har_benchmarks.tasks.protocol import Job, LoadModel, Tell
from har_edge.errors import HarError
from har_edge.model.loaded import load_model


def main(load: LoadModel = load_model) -> None:
    """Do the job on standard input.

    Args:
        load: Loads a model as `har_edge.model.loaded.load_model` does. Another one wraps it,
            to measure a backend of one's own.
    """
    tell = _speaker(_own_stdout())
    try:
        job = json.load(sys.stdin)
        tell("result", result=do(job, tell, load))
    except HarError as error:
        tell("error", message=str(error))
    except MemoryError:
        tell("error", message="The process ran out of memory. Close other programs.")


def do(job: Job, tell: Tell, load: LoadModel = load_model) -> Mapping[str, object]:
    """Do one job.

    Args:
        job: `task` names the function; the rest is what it needs.
        say: Takes the kind of an event and its fields.
        load: See `main`.
    """
    from har_benchmarks.tasks import accuracy, timing
    from har_benchmarks.tasks import profile as profile_ops

    tasks: dict[str, Callable[[Job, Tell, LoadModel], Mapping[str, object]]] = {
        "timing": timing.timing,
        "end_to_end": timing.end_to_end,
        "sustained": timing.sustained,
        "accuracy": accuracy.answer,
        "profile": profile_ops.profile,
    }
    return tasks[job["task"]](job, tell, load)


def _own_stdout() -> TextIO:
    """Keep standard output for ourselves; whatever else writes there goes to standard error."""
    own = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return own


def _speaker(stream: TextIO) -> Tell:
    def tell(event: str, /, **fields: object) -> None:
        stream.write(json.dumps({"event": event, **fields}) + "\n")
        stream.flush()

    return tell


if __name__ == "__main__":
    main()
