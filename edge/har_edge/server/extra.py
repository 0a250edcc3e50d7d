"""What the server needs in addition to the light install."""

from __future__ import annotations

from importlib.util import find_spec

from har_edge.errors import MissingExtraError

NEEDED = ("fastapi", "uvicorn", "python_multipart", "prometheus_client", "jinja2")


def check_extra() -> None:
    """Check that all of it is there, before anything is imported.

    Raises:
        MissingExtraError: if a package is not; it names the line that installs it.
    """
    for module in NEEDED:
        if find_spec(module) is None:
            raise MissingExtraError("serve", module)
