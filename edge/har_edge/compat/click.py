"""What differs between the releases of click that we support."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import click

__all__ = ["ParamType"]

if TYPE_CHECKING:
    from click import ParamType
else:
    Value = TypeVar("Value")

    # Generic from click 8.4 on; before, `click.ParamType[int]` ends the import.
    if hasattr(click.ParamType, "__class_getitem__"):
        ParamType = click.ParamType
    else:

        class ParamType(click.ParamType, Generic[Value]):
            """click's own, with the type of its value in brackets."""
