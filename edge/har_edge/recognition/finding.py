"""What finds the people of a model that is loaded."""

from __future__ import annotations

from har_edge.config import PeopleConfig
from har_edge.model.loaded import LoadedModel
from har_edge.people.locate import PeopleParts
from har_edge.people.open import choose_people, find_people
from har_edge.recognition.people import check_view


def find_own_people(model: LoadedModel, config: PeopleConfig | None = None) -> PeopleParts | None:
    """Open what finds people for a model, see `har_edge.people.open.choose_people`.

    Returns:
        None for whole pictures.

    Raises:
        ModelFileError: if the model needs people and nothing finds them; or a file is missing, or
            finds no people.
        BackendError: if no runtime is there, or it refuses a network, crashes or hangs.
    """
    config = config or PeopleConfig()
    finder = choose_people(model.path, config)
    parts = None
    if finder is not None:
        parts = find_people(finder, config, model.spec, backend=model.backend.name)
    check_view(model.spec, parts)
    return parts
