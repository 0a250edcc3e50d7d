"""What is known of one setting: its default, range, help and spelling, all beside the field.

A group of settings is a frozen dataclass. Each of its fields is a setting, and from the field come
the key in `config.toml`, the option of `har-train fit`, what values are allowed and what the help
says of it.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields
from typing import TypeVar, cast

from har_edge.errors import DataError
from har_edge.paths import display_path

T = TypeVar("T")


@dataclass(frozen=True)
class Range:
    """Numbers that a setting may take.

    Attributes:
        least, most: The ends, which belong to the range; None for no end.
        above, below: The same, but they do not belong to it.
    """

    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = None

    def __contains__(self, value: object) -> bool:
        return (
            isinstance(value, (int, float))
            and (self.least is None or value >= self.least)
            and (self.most is None or value <= self.most)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )

    def __str__(self) -> str:
        """Say it in words.

        Example:
            >>> print(Range(least=0, below=1))
            at least 0 and below 1
        """
        if self.least is not None and self.most is not None:
            return f"from {self.least:g} to {self.most:g}"
        if (self.most, self.above, self.below) == (None, None, None):
            return f"{self.least:g} or more"
        ends = {
            "at least": self.least,
            "above": self.above,
            "at most": self.most,
            "below": self.below,
        }
        return " and ".join(f"{word} {end:g}" for word, end in ends.items() if end is not None)


@dataclass(frozen=True)
class Facts:
    """What a field says of its setting beside type and default, see `setting`."""

    key: str = ""
    option: str = ""
    help: str = ""
    shown: str | None = None
    metavar: str | None = None
    allowed: Range | tuple[str, ...] | None = None


@dataclass(frozen=True)
class Setting:
    """One setting.

    Attributes:
        key: Its name in `config.toml` and in calls from Python, such as `fine_tune_blocks`.
        attribute: Its name in the group, such as `blocks`.
        default: The value that it has unless another is given; `MISSING` if one has to be given.
        facts: Everything else.
    """

    key: str
    attribute: str
    default: object
    facts: Facts

    @property
    def option(self) -> str:
        """The option as it is typed, such as `--fine-tune-blocks`; "" if there is none."""
        if not self.facts.help:
            return ""
        return self.facts.option or f"--{self.key.replace('_', '-')}"

    @property
    def help(self) -> str:
        """What the command's help says of it."""
        shown = self.facts.shown
        if shown is None:
            shown = f"{self.default:g}" if isinstance(self.default, float) else f"{self.default}"
        return f"{self.facts.help} [default: {shown}]" if shown else self.facts.help

    def take(self, value: object) -> object:
        """Make of a list the tuple that it stands for: TOML knows no tuples."""
        return tuple(value) if self.is_list and isinstance(value, list) else value

    @property
    def is_list(self) -> bool:
        """Whether it holds several values."""
        return isinstance(self.default, tuple)

    def check(self, value: object) -> None:
        """Refuse a value of another type or outside the range.

        A default outside the range is allowed: it leaves the choice to others, as `num_frames` 0
        leaves it to the data.

        Raises:
            DataError: if it is one.
        """
        kind = str if self.default is MISSING else type(self.default)
        if kind in (str, bool, int, float, tuple) and not isinstance(
            value, (int, float) if kind is float else kind
        ):
            raise DataError(f"{self.key} should be of type {kind.__name__}. Received {value!r}.")
        # A path of other bytes could not be written to the run's config.toml.
        if isinstance(value, str) and display_path(value) != value:
            raise DataError(
                f"{self.key} should be spelled in UTF-8. Received '{display_path(value)}'. "
                "Rename it."
            )
        allowed = self.facts.allowed
        if allowed is not None and value != self.default and value not in allowed:
            words = allowed if isinstance(allowed, Range) else f"one of {', '.join(allowed)}"
            raise DataError(f"{self.key} should be {words}. Received {value!r}.")


def setting(
    default: T,
    *,
    key: str = "",
    help: str = "",
    shown: str | None = None,
    option: str = "",
    metavar: str | None = None,
    allowed: Range | tuple[str, ...] | None = None,
) -> T:
    """Declare a setting, as a field of a group.

    Args:
        default: Its default.
        key: Its name in `config.toml`, where that is not the field's.
        help: What the command says of it; "" for a setting without an option.
        shown: What the help gives as its default, where that is not the value; "" for nothing.
        option: The option, where it is not spelled like the key; a flag names both of its sides.
        metavar: What stands for its value in the help.
        allowed: Numbers allowed, or texts.

    Example:
        >>> @dataclass(frozen=True)
        ... class Oven:
        ...     heat: int = setting(180, help="Degrees.", allowed=Range(least=0))
        >>> Oven().heat, settings_of(Oven)[0].option, settings_of(Oven)[0].help
        (180, '--heat', 'Degrees. [default: 180]')
    """
    facts = Facts(key, option, help, shown, metavar, allowed)
    return field(default=default, metadata={"facts": facts})


def settings_of(group: type) -> list[Setting]:
    """List the settings of a group, in the order of its fields."""
    found = []
    for f in fields(group):
        facts = cast("Facts", f.metadata.get("facts", Facts()))
        default = f.default_factory() if f.default_factory is not MISSING else f.default
        found.append(Setting(facts.key or f.name, f.name, default, facts))
    return found


def check_settings(group: object) -> None:
    """Refuse a group with a value of another type or outside its range.

    Raises:
        DataError: if it has one.
    """
    for found in settings_of(type(group)):
        found.check(getattr(group, found.attribute))
