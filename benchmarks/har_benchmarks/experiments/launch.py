"""Runs a command and prints what it cost: `python -S launch.py COMMAND...`.

A process of its own and small, for the system counts the memory of who starts a process to that
process too, until it runs its own program.
"""

import json
import os
import subprocess
import sys
import time

if __name__ == "__main__":
    started = time.perf_counter()
    process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    facts = {
        "wall_ms": 1e3 * (time.perf_counter() - started),
        "cpu_ms": 1e3 * (usage.ru_utime + usage.ru_stime),
        "peak_mb": usage.ru_maxrss * 1024 / 1e6,
    }
    json.dump({"exit": os.waitstatus_to_exitcode(status), **facts}, sys.stdout)
