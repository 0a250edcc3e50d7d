"""Removes a folder once the process that made it is gone: `python keeper.py FOLDER`.

A program of its own, which imports nothing of ours: whoever kills the process that works in the
folder, by whatever signal, does not kill this one. It waits for the end of its standard input,
which that process holds open and never writes to.
"""

import os
import shutil
import signal
import sys
import time

# A process that is ended too may still have been writing.
TRIES, WAIT_S = 50, 0.1


def main() -> None:
    """Wait, then remove."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while os.read(0, 1):
        pass
    for _ in range(TRIES):
        shutil.rmtree(sys.argv[1], ignore_errors=True)
        if not os.path.lexists(sys.argv[1]):
            break
        time.sleep(WAIT_S)


if __name__ == "__main__":
    main()
