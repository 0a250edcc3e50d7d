"""No exploration may warn its user of letters that its pictures cannot show."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _no_warning_reaches_the_user(recwarn: pytest.WarningsRecorder) -> Iterator[None]:
    yield
    assert [str(w.message) for w in recwarn if "Glyph" in str(w.message)] == []
