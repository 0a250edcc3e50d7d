"""What setup.cfg cannot say: a checkout has the Keras models in a folder of its own.

The extras in setup.cfg name `har-edge-models` as an index has it. Where its folder lies beside this
file, they take it from there instead, so that `pip install ".[convert]"` in a checkout gives the
models of that checkout and asks no index for them. An sdist has no such folder and names none, and
wheels for an index are built of sdists; no index takes a wheel that names a folder.
"""

from __future__ import annotations

import configparser
import sys
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).resolve().parent
MODELS = ROOT / "convert" / "models"


def extras() -> dict[str, list[str]]:
    """The extras of setup.cfg, with the models of this checkout, if it is one."""
    config = configparser.ConfigParser(interpolation=None)
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    found = {}
    # What an sdist says of itself holds wherever it is unpacked.
    stays = (MODELS / "setup.cfg").is_file() and "sdist" not in sys.argv
    here = f"har-edge-models @ {MODELS.as_uri()}" if stays else None
    for name, lines in config["options.extras_require"].items():
        found[name] = [
            here if here and line.startswith("har-edge-models") else line
            for line in lines.splitlines()
            if line.strip()
        ]
    return found


if __name__ == "__main__":
    setup(extras_require=extras())
