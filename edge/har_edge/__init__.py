"""Recognise human actions on small machines.

    >>> import har_edge
    >>> har_edge.available_models()
    ['har15', 'clips', 'poses']
    >>> model = har_edge.load("clips")
    >>> model.classify(har_edge.sample_path("falling.mp4")).action
    'falling'

`load` returns a model for pictures and clips (`Model.classify`) and for anything that `har-edge
run` reads (`Model.recognize`, `Model.events`), with the same results as the command. Importing this
package loads nothing heavy: each name is loaded when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from har_edge.errors import (
    BackendError,
    ConfigError,
    DataError,
    GateError,
    HarError,
    MissingExtraError,
    ModelFileError,
    OutputError,
    ServerError,
    ShapeError,
    SourceError,
    SourceLostError,
    SourceRefusedError,
    SpecError,
)

if TYPE_CHECKING:
    from har_edge.frames.frame import Person
    from har_edge.model.file import available_models
    from har_edge.paths import sample_path
    from har_edge.recognition.events import Event
    from har_edge.recognition.model import Model, load
    from har_edge.recognition.prediction import Prediction
    from har_edge.sources.open import open_source

__version__ = "0.1.0"

__all__ = [
    "BackendError",
    "ConfigError",
    "DataError",
    "Event",
    "GateError",
    "HarError",
    "MissingExtraError",
    "Model",
    "ModelFileError",
    "OutputError",
    "Person",
    "Prediction",
    "ServerError",
    "ShapeError",
    "SourceError",
    "SourceLostError",
    "SourceRefusedError",
    "SpecError",
    "__version__",
    "available_models",
    "load",
    "open_source",
    "sample_path",
]

_HOMES = {
    "Event": "har_edge.recognition.events",
    "Model": "har_edge.recognition.model",
    "Person": "har_edge.frames.frame",
    "Prediction": "har_edge.recognition.prediction",
    "available_models": "har_edge.model.file",
    "load": "har_edge.recognition.model",
    "open_source": "har_edge.sources.open",
    "sample_path": "har_edge.paths",
}

# Type checkers see the imports above, and so find names that do not exist.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Load what is asked for, once (PEP 562)."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *_HOMES})
