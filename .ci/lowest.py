"""Print the lowest versions that setup.cfg allows, as constraints for pip.

    python .ci/lowest.py [EXTRA ...] > constraints.txt

Of a bound with a marker only the one that holds for this Python counts. Only exact floors
(`name>=version`) are printed: what has none is left to pip.
"""

from __future__ import annotations

import configparser
import sys
from pathlib import Path

from pip._vendor.packaging.requirements import Requirement

SETUP = Path(__file__).parents[1] / "setup.cfg"


def floors(requirements: str) -> list[str]:
    """Turn `name>=version` into `name==version`, a line each, where the marker holds."""
    found = []
    for line in requirements.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        requirement = Requirement(line)
        holds = requirement.marker is None or requirement.marker.evaluate()
        lower = [s.version for s in requirement.specifier if s.operator == ">="]
        if holds and lower:
            found.append(f"{requirement.name}=={lower[0]}")
    return found


def main() -> None:
    """Print the floors of the core and of the extras that are named."""
    config = configparser.ConfigParser(interpolation=None, comment_prefixes=("#",))
    config.read(SETUP, encoding="utf-8")
    extras = config["options.extras_require"]
    parts = [config["options"]["install_requires"], *(extras[name] for name in sys.argv[1:])]
    sys.stdout.writelines(f"{floor}\n" for part in parts for floor in floors(part))


if __name__ == "__main__":
    main()
