"""All errors of har-edge, as a tree: catch broadly, recover narrowly.

HarError
├── ConfigError        a setting is not what it may be, or two do not go together
├── SpecError          a spec is missing, broken or contradicts itself
├── ModelFileError     a model file cannot be used
├── BackendError       no runtime, or the runtime refuses the model
├── ShapeError         an array of the wrong shape or type
├── SourceError        a camera, clip or picture cannot be read
│   ├── SourceLostError    a live source ended for good
│   └── SourceRefusedError a source wants another user or password
├── DataError          a dataset or run folder cannot be used
├── OutputError        a result cannot be written
├── ServerError        a server cannot be reached or refuses a request
├── GateError          a result misses the bar that was set
└── MissingExtraError  an optional dependency is not installed

Libraries raise these; only commands turn them into exit codes.
"""

from __future__ import annotations

from typing import ClassVar


class HarError(Exception):
    """Base of all errors whose message is meant for the user.

    A message has three parts: what was expected, what was received, and what to do. Its kinds are
    caught in the same way, one by one or all at once.

    Example:
        >>> import har_edge
        >>> try:
        ...     har_edge.load("gone.tflite")
        ... except har_edge.ModelFileError as error:
        ...     print(error.exit_code, isinstance(error, har_edge.HarError))
        1 True
    """

    exit_code: ClassVar[int] = 1


class ConfigError(HarError, ValueError):
    """A setting has a value that is not allowed, or two settings conflict.

    A command shows it like any other usage error.
    """

    exit_code: ClassVar[int] = 2


class SpecError(HarError, ValueError):
    """A spec is missing, broken or contradicts itself."""


class ModelFileError(HarError):
    """A model file cannot be read or was not made by har-edge."""


class BackendError(HarError):
    """No runtime is installed, or the runtime rejects the model."""


class ShapeError(HarError, ValueError):
    """An array has the wrong shape or type."""


class SourceError(HarError):
    """A camera, clip or picture cannot be read."""


class SourceLostError(SourceError):
    """A live source ended and will not come back."""

    exit_code: ClassVar[int] = 4


class SourceRefusedError(SourceError):
    """A source refuses the user or the password."""


class DataError(HarError):
    """A dataset or a run folder cannot be used."""


class OutputError(HarError):
    """A result cannot be written."""


class ServerError(HarError):
    """A server cannot be reached or refuses a request.

    Attributes:
        status: Its HTTP status; None if it did not reply.
    """

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class GateError(HarError):
    """A result does not pass the gate that was set for it."""

    exit_code: ClassVar[int] = 3


class MissingExtraError(HarError, ImportError):
    """An optional dependency is not installed."""

    def __init__(self, extra: str, module: str) -> None:
        super().__init__(
            f"This command needs the package '{module}', which is not installed. "
            f'Run: pip install "har-edge[{extra}]"  (in a checkout: pip install ".[{extra}]")'
        )
