"""Parameter types with the type of their value in brackets, in every release of click."""

from __future__ import annotations

import importlib

import click
import pytest

from har_edge.compat import click as compat


class OldParamType:
    """A base without brackets, as click 8.1 to 8.3 have it."""

    name = "old"


def test_brackets_work_where_click_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(click, "ParamType", OldParamType)
        old = importlib.reload(compat).ParamType
    importlib.reload(compat)

    class Made(old[int]):
        pass

    assert isinstance(Made(), OldParamType)
    assert Made().name == "old"


def test_a_type_of_ours_is_one_of_clicks() -> None:
    class Even(compat.ParamType[int]):
        name = "even"

    assert isinstance(Even(), click.ParamType)
