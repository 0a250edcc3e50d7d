"""What all replies of a server have in common: members that are attributes, and plain values."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, fields
from typing import ClassVar, TypeVar, get_args, get_origin, get_type_hints

AnyTold = TypeVar("AnyTold", bound="Told")
# Members that are absent where people are not told apart, or what they say is not asked for.
ONLY_WITH_PEOPLE = frozenset({"people", "person", "box", "located", "keypoints", "locate"})


@dataclass(frozen=True)
class Told(Mapping[str, object]):
    """A reply of a server; its members are attributes, and can be looked up by name, too.

    Example:
        >>> from har_edge.replies import Ranked
        >>> ranked = Ranked.read({"action": "falling", "confidence": 0.75, "of_later": 1})
        >>> ranked.action, ranked["action"], ranked.as_dict()
        ('falling', 'falling', {'action': 'falling', 'confidence': 0.75})
    """

    __pydantic_config__: ClassVar[dict[str, object]]

    def __init_subclass__(cls, *, example: Mapping[str, object] | None = None) -> None:
        """Say to pydantic what it leaves out of plain dataclasses: what the docstring says."""
        about = inspect.cleandoc(cls.__doc__ or "").partition("\n\n")[0].replace("\n", " ")
        examples = {"examples": [example]} if example else {}
        cls.__pydantic_config__ = {"json_schema_extra": {"description": about, **examples}}

    @classmethod
    def read(cls: type[AnyTold], values: object) -> AnyTold:
        """Read plain values; members that this release does not know are left out.

        Raises:
            TypeError: if a member is missing, or they are no members.
        """
        if not isinstance(values, Mapping):
            raise TypeError(f"{cls.__name__} should be an object, not {type(values).__name__}")
        hints = get_type_hints(cls)
        names = [f.name for f in fields(cls) if f.name in values]
        return cls(**{name: _read(hints[name], values[name]) for name in names})

    def as_dict(self) -> dict[str, object]:
        """Plain values, as they came."""
        return {
            each.name: _plain(getattr(self, each.name)) for each in fields(self) if self._has(each)
        }

    def _has(self, each: Field[object]) -> bool:
        """Whether a member came: those for people are absent where people are not told apart."""
        if each.name == "zone":  # null for a person in none
            return getattr(self, "person", None) is not None
        return each.name not in ONLY_WITH_PEOPLE or getattr(self, each.name) is not None

    def __getitem__(self, name: str) -> object:
        return self.as_dict()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.as_dict())

    def __len__(self) -> int:
        return len(self.as_dict())


def _plain(value: object) -> object:
    """Turn records inside a member into plain values, too."""
    if isinstance(value, Told):
        return value.as_dict()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _read(hint: object, value: object) -> object:
    """Read a member by its annotation."""
    origin, inside = get_origin(hint), get_args(hint)
    if origin is list and isinstance(value, list):
        return [_read(inside[0], item) for item in value]
    if origin is tuple and isinstance(value, list):
        return tuple(value)
    if type(None) in inside:
        return None if value is None else _read(inside[0], value)
    if origin is None and isinstance(hint, type) and issubclass(hint, Told):
        return hint.read(value)
    return value
