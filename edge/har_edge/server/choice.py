"""Which models look at uploads: the server's own, and others that a request may name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple, TypeVar

from har_edge.config import DecideConfig, ModelConfig, ServeConfig
from har_edge.errors import ConfigError, SpecError
from har_edge.model.catalogue import bundled_for
from har_edge.model.file import ModelFile, read_model_file, resolve_model
from har_edge.model.spec import ModelSpec
from har_edge.say import Say
from har_edge.server.messages import Kind

Model = TypeVar("Model")


class Chosen(NamedTuple):
    """A model that looks at uploads.

    Attributes:
        config: What workers load.
        file: The file, as it was read.
    """

    config: ModelConfig
    file: ModelFile


def choose_models(
    config: ServeConfig, note: Say, fits: Callable[[ModelSpec, DecideConfig], object]
) -> dict[str, Chosen]:
    """Read the models that look at uploads; by their names, the server's own first.

    Where the user chose no model, the bundled ones are there: pictures go to the one for pictures,
    clips to the one for clips. One that sees people alone is there where people are looked for.

    Args:
        config: The server's settings.
        note: Takes a line about each model that is left out, since `--allow` and the like do not
            fit it.
        fits: Raises `SpecError` if they do not fit a model: `har_edge.run.parts.build_decider`.

    Raises:
        ConfigError: if two of them have one name.
        ModelFileError: if a file is missing or damaged.
    """
    own = ModelConfig(config.model, config.taught, config.backend, config.people, config.scene)
    file = _read(own)
    found = {file.spec.name: Chosen(own, file)}
    bundled = bundled_for(people=config.people.detector is not None)
    for name in config.also or (bundled if config.model is None else ()):
        if name == (config.model or bundled[0]):
            continue
        other = replace(own, model=name, taught=None)
        file = _read(other)
        spec = file.spec
        if spec.name in found:
            raise ConfigError(
                f"--also should give models of other names. Received a second one that is called "
                f"{spec.name}. Leave it out."
            )
        try:
            fits(spec, config.decide)
        except SpecError as error:
            note(f"{spec.name} looks at no uploads: {error}")
            continue
        found[spec.name] = Chosen(other, file)
    return found


def _read(config: ModelConfig) -> ModelFile:
    return read_model_file(resolve_model(config.model))


def suited(models: Mapping[str, tuple[ModelSpec, Model]], kind: Kind, name: str | None) -> Model:
    """The model for an upload: the one that is named, else the first made for what it is.

    Args:
        models: By their names, the server's own first.
        kind: Whether it is a picture or a clip.
        name: One of them, or None.
    """
    if name is not None:
        return models[name][1]
    for spec, model in models.values():
        if spec.clip.windowed == (kind == "clip"):
            return model
    return next(iter(models.values()))[1]
