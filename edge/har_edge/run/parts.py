"""What a run and a server make of the same settings: the model, and what decides on its answers."""

from __future__ import annotations

from har_edge.config import DecideConfig, ModelConfig
from har_edge.model.loaded import LoadedModel, load_model
from har_edge.model.spec import ModelSpec
from har_edge.recognition.decide import Decider
from har_edge.recognition.taught_file import load_taught


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
