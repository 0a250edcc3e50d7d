"""A model file that no tool of ours has made."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def foreign() -> bytes:
    """Convolution, depthwise convolution, reshape and dense layer."""
    from tests.support.auditing import foreign_model

    return foreign_model()
