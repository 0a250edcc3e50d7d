"""Which model looks at an upload: the one that suits it, or the one that a request names."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")

from har_edge.client import Client
from har_edge.config import DecideConfig, ServeConfig
from har_edge.errors import ConfigError, ServerError
from har_edge.run.parts import build_decider
from har_edge.server.choice import choose_models, suited
from har_edge.testing import scripted_model
from tests.conftest import ASSETS
from tests.support.serving import CLIP, PICTURE, serving

TINY = ASSETS / "tiny-int8.tflite"
FLOAT = ASSETS / "tiny-float32.tflite"


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """A client of a server that was given no model."""
    with serving("--workers", "1") as server:
        yield Client(server.url)


def test_without_a_model_both_bundled_ones_are_there(client: Client) -> None:
    models = client.models()
    assert [(m.name, m.looks_at) for m in models] == [("har15", "pictures"), ("clips", "clips")]
    assert client.model().name == "har15"
    facts = client.model("clips")
    assert (facts.name, facts.clip.num_frames) == ("clips", 16)
    assert facts.file == "clips-int8.tflite"
    assert "sitting" in models[0].labels
    assert "falling" in models[1].labels


def test_an_upload_goes_to_the_model_that_suits_it(client: Client) -> None:
    picture, clip = client.predict(PICTURE), client.predict(CLIP)
    assert (picture.model, picture.action) == ("har15", "sitting")
    assert (clip.model, clip.action) == ("clips", "falling")


def test_a_request_may_name_another(client: Client) -> None:
    answer = client.predict(CLIP, model="har15", top_k=20)
    assert answer.model == "har15"
    assert {action for action, _ in answer.top()} == set(client.models()[0].labels)


@pytest.mark.parametrize("name", ["clip", "", "../clips", str(TINY), "clips\x1b[2J"])
def test_a_model_that_is_not_there_is_refused(client: Client, name: str) -> None:
    with pytest.raises(
        ServerError, match=r"model should be one of har15, clips\. Received"
    ) as told:
        client.predict(PICTURE, model=name)
    assert told.value.status == 422
    assert "\x1b" not in str(told.value)


def test_what_a_server_loads() -> None:
    lines: list[str] = []

    def names(config: ServeConfig) -> list[str]:
        return list(choose_models(config, lines.append, build_decider))

    assert names(ServeConfig()) == ["har15", "clips"]
    assert names(ServeConfig(model=TINY)) == ["tiny"]
    assert names(ServeConfig(model="clips", also=("har15", "clips"))) == ["clips", "har15"]
    assert names(ServeConfig(model=TINY, also=("clips",))) == ["tiny", "clips"]
    assert lines == []


def test_a_model_that_allow_does_not_fit_is_left_out_and_said() -> None:
    lines: list[str] = []
    config = ServeConfig(decide=DecideConfig(allow=("sitting",)))
    assert list(choose_models(config, lines.append, build_decider)) == ["har15"]
    assert lines[0].startswith("clips looks at no uploads: ")


def test_what_was_taught_belongs_to_the_first_model() -> None:
    config = ServeConfig(model=TINY, taught="taught.npz", also=("clips",))
    assert [c.config.taught for c in choose_models(config, print, build_decider).values()] == [
        "taught.npz",
        None,
    ]


def test_two_models_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="Received a second one that is called tiny"):
        choose_models(ServeConfig(model=TINY, also=(FLOAT,)), print, build_decider)


def test_the_first_that_suits_is_taken_or_else_the_first() -> None:
    still = scripted_model([{"a": 0.9, "b": 0.1}], num_frames=1).spec
    moving = scripted_model([{"a": 0.9, "b": 0.1}], num_frames=4).spec
    both = {"still": (still, 1), "moving": (moving, 2), "another": (moving, 3)}
    assert suited(both, "image", None) == 1
    assert suited(both, "clip", None) == 2
    assert suited(both, "image", "another") == 3
    assert suited({"still": (still, 1)}, "clip", None) == 1
