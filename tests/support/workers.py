"""Workers that misbehave, started by the tests in place of the harness's own.

    python workers.py {crash,hang,leave,refuse,slow} WORD

Models whose path holds WORD get the treatment, all others are measured as they should be.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import Any

from har_benchmarks.execute import worker
from har_edge.errors import BackendError
from har_edge.model.loaded import LoadedModel, load_model

SLEEP_S = 0.002


def main() -> None:
    kind, word = sys.argv[1:]

    def load(path: str, **options: Any) -> LoadedModel:
        if word not in path:
            return load_model(path, **options)
        if kind == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        elif kind == "hang":
            time.sleep(600)
        elif kind == "leave":
            sys.stdout.write("noise on standard output\n")  # must not disturb the protocol
            sys.stderr.write("a native library gave up\n")
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(7)
        elif kind == "refuse":
            raise BackendError("The runtime refuses this model.")
        model = load_model(path, **options)
        encode = model.backend.encode

        def slow(frame: Any) -> Any:
            time.sleep(SLEEP_S)
            return encode(frame)

        model.backend.encode = slow  # type: ignore[method-assign]
        return model

    worker.main(load)


if __name__ == "__main__":
    main()
