"""What has to be there, and set, before TensorFlow is first imported."""

from __future__ import annotations

import importlib.util
import os

from har_edge.errors import MissingExtraError


def check_installed(*modules: str) -> None:
    """Miss a package now rather than after the work that leads up to it.

    Raises:
        MissingExtraError: if one of them is not there.
    """
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise MissingExtraError("train", module)


def prepare_tensorflow(*, repeatable: bool = True) -> None:
    """Set what TensorFlow reads when it is first imported, unless the user has set it.

    Args:
        repeatable: Whether the same computation is to give the same figures.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if repeatable:
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # its sums differ from run to run
