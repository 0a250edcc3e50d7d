"""Which bundled model suits which sources, and what is said of each."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from har_edge.model.catalogue import PURPOSE, bundled_models, sight_of, suit
from har_edge.model.file import BUNDLED
from har_edge.paths import sample_path


def test_every_bundled_model_has_a_purpose_and_figures() -> None:
    assert tuple(PURPOSE) == BUNDLED
    for model in bundled_models():
        assert model.purpose == PURPOSE[model.name]
        assert model.accuracy is not None and 0 < model.accuracy < 1
        assert model.held_out is not None and model.held_out > 100
        assert model.path.is_file() and model.size_bytes == model.path.stat().st_size


@pytest.mark.parametrize(
    ("sources", "model"),
    [
        (["a.jpg", "b.PNG"], "har15"),
        (["clip.mp4"], "clips"),
        (["camera:0"], "clips"),
        (["rtsp://cam.local/1"], "clips"),
        (["http://cam.local/now.jpg?width=640"], "har15"),
        (["-"], "clips"),
        (["a.jpg", "clip.mp4"], "har15"),
        ([], "clips"),
    ],
)
def test_the_model_suits_the_sources(sources: list[str], model: str) -> None:
    choice = suit(sources)
    assert choice.model == model
    assert choice.reason.startswith(f"Model {model}, for ")
    assert "\n" not in choice.reason


def test_of_pictures_and_videos_it_says_which_suit_the_other_model() -> None:
    names = ["a.jpg", *(f"{n}.mp4" for n in "bcde"), "my clip.mp4"]
    two = suit([names[0], "my clip.mp4", "b.mp4"]).reason
    assert "2 of 3 sources move" in two
    assert "run: har-edge run 'my clip.mp4' b.mp4 -m clips;" in two
    many = suit(names).reason
    assert "5 of 6 sources move" in many
    assert "run: har-edge run b.mp4 c.mp4 d.mp4 … -m clips;" in many


def test_in_a_watched_folder_anything_may_arrive() -> None:
    assert suit([], folders=True).model == "har15"
    assert "whatever arrives" in suit([], folders=True).reason


def test_a_name_without_an_ending_is_looked_into(tmp_path: Path) -> None:
    picture, moving = tmp_path / "picture", tmp_path / "moving"
    Image.new("RGB", (8, 8)).save(picture, "PNG")
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    frames[0].save(moving, "PNG", save_all=True, append_images=frames[1:])
    assert sight_of(str(picture)) == "picture"
    assert sight_of(str(moving)) == "motion"
    assert sight_of(str(sample_path("falling.mp4"))) == "motion"
