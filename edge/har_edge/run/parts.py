"""What a run and a server make of the same settings: the model, and what decides on its answers."""

from __future__ import annotations

from pathlib import Path

from har_edge.config import DecideConfig, ModelConfig, PeopleConfig
from har_edge.counted import counted
from har_edge.model.file import read_model_file, resolve_model
from har_edge.model.loaded import LoadedModel, load_model
from har_edge.model.spec import ModelSpec
from har_edge.paths import display_path
from har_edge.people.locate import PeopleParts
from har_edge.people.open import (
    BUNDLED_FILE,
    BUNDLED_PEOPLE,
    choose_people,
    find_people,
    is_bundled_people,
)
from har_edge.recognition.decide import Decider
from har_edge.recognition.taught_file import load_taught
from har_edge.say import Say


def build_model(config: ModelConfig, num_threads: int = 1) -> LoadedModel:
    """Load a model with what was taught to it.

    Raises:
        ModelFileError: if the file is missing, damaged or not one of ours.
        BackendError: if no runtime is there or it refuses the model.
        DataError: if the file of taught actions cannot be used.
    """
    model = load_model(config.model, backend=config.backend, num_threads=num_threads)
    return load_taught(model, config.taught)


def build_decider(spec: ModelSpec, config: DecideConfig) -> Decider:
    """Build what decides on the predictions of one source.

    Raises:
        SpecError: if a list names an action that the model does not have.
    """
    return Decider.for_spec(
        spec,
        smoothing_s=config.smoothing_s,
        score_threshold=config.score_threshold,
        allow=config.allow,
        deny=config.deny,
    )


def taught_line(spec: ModelSpec, known: int) -> str:
    """Say which taught actions are recognised beside a model's own; "" without any.

    Args:
        spec: Of the model, with what was taught.
        known: How many actions it has of its own.
    """
    taught = spec.labels[known:]
    actions = counted(len(taught), "taught action")
    return f"{spec.name} also recognises {actions}: {', '.join(taught)}." if taught else ""


def build_people(
    config: ModelConfig, note: Say, num_threads: int = 1, *, keypoints: bool = False
) -> PeopleParts | None:
    """Open what finds people, and say which kind of network it was taken for.

    Args:
        config: Names the file; without one, the model's own `locate` is used, if it has any, or
            the bundled network if it needs people.
        note: Takes a line for the user.
        num_threads: Threads of the runtime.
        keypoints: Whether keypoints are to be listed, which people alone have.

    Returns:
        None for whole pictures.

    Raises:
        ModelFileError: if a file is missing, or finds no people.
        BackendError: if no runtime is there, or it refuses a network, crashes or hangs.
    """
    people = config.people
    idle = ", ".join(_for_people(people, keypoints=keypoints))
    if people.whole_picture:
        if idle:
            note(f"{idle}: no effect with --whole-picture, which looks for nobody.")
        return None
    file = choose_people(config.model, people)
    if file is None:
        if idle:
            note(
                f"{idle}: no effect, as nobody looks for people. Use a model that finds people, or "
                f"add --people {BUNDLED_PEOPLE}."
            )
        return None
    spec = read_model_file(resolve_model(config.model)).spec
    parts = find_people(file, people, spec, backend=config.backend, num_threads=num_threads)
    if is_bundled_people(people.detector):
        note(f"Network {BUNDLED_PEOPLE} finds people, and each is recognised on their own.")
    elif people.detector is None:
        say_who_finds(spec, file, note)
    else:
        note(f"{display_path(file)} finds people: it was taken for {parts.locator.name}.")
    return parts


def _for_people(people: PeopleConfig, *, keypoints: bool) -> list[str]:
    """Options that were given, and are for people alone."""
    usual = PeopleConfig()
    given = {
        "--keypoints": keypoints,
        "--locate-every": people.locate_every != usual.locate_every,
        "--max-people": people.max_people != usual.max_people,
    }
    return [option for option, is_given in given.items() if is_given]


def say_who_finds(spec: ModelSpec, file: Path | None, note: Say) -> None:
    """Say that the bundled network finds people, where nobody asked for it.

    Args:
        spec: Of the model.
        file: What finds people, see `har_edge.people.open.choose_people`.
        note: Takes a line for the user.
    """
    if file == BUNDLED_FILE and spec.needs_people:
        note(
            f"Network {BUNDLED_PEOPLE} finds people: {spec.name} recognises each by "
            f"{' and '.join(spec.head_inputs)}."
        )
