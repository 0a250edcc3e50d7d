"""Settings: the same in memory and on disk."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from har_edge.errors import DataError
from har_edge.model.file import BUNDLED
from har_edge.run_folder import bundled_folder
from har_train.config import AugmentConfig, FitConfig, HeadConfig, load_config, save_config

pytest.importorskip("tomli_w")
pytestmark = pytest.mark.train

ODD = FitConfig.of(
    data="clips/läuft.csv",
    root="da ta",
    num_frames=7,
    frame_rate_hz=12.5,
    resize="crop",
    dense_units=(5, 4, 3),
    learning_rate=1.5e-5,
    views=3,
    augment_flip=False,
    augment_erase=0.25,
    mixup=0.2,
    balance="sampling",
    fine_tune_blocks=2,
    ema=0.99,
    about={"description": 'Says "hello", 🏃\nand more.', "license": "MIT"},
)


@pytest.mark.parametrize("config", [FitConfig.of(data="d"), ODD])
def test_settings_survive_the_file(config: FitConfig, tmp_path: Path) -> None:
    save_config(config, tmp_path / "config.toml")
    assert FitConfig.of(**load_config(tmp_path / "config.toml")) == config


ROOT = Path(__file__).parents[3]
FILES = [
    *(bundled_folder(name) / "config.toml" for name in BUNDLED),
    *ROOT.glob("train/recipes/*.toml"),
]


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_files_of_bundled_models_and_recipes_are_read(path: Path) -> None:
    values = load_config(path)
    flat = FitConfig.of(**{"data": "d"} | values).flat()
    for key, value in values.items():
        assert flat[key] == (tuple(value) if isinstance(value, list) else value)


def test_flat_names_and_groups_are_the_same_settings() -> None:
    assert FitConfig.of(**ODD.flat()) == ODD
    assert ODD.augment == AugmentConfig(views=3, flip=False, erase=0.25, mixup=0.2)
    assert ODD.with_(head="gru").head == HeadConfig(kind="gru", dense_units=(5, 4, 3))
    with pytest.raises(DataError, match=r"no such settings: epoch\. Choose from: about, alpha,"):
        ODD.with_(epoch=3)
    with pytest.raises(DataError, match="data is missing"):
        FitConfig.of(epochs=3)


def test_part_of_the_settings_is_enough(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("epochs = 3\n", encoding="utf-8")
    assert load_config(path) == {"epochs": 3}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"epochs 3", "not valid TOML"),
        (b"epoch = 3\nseeds = 1\n", "do not exist: epoch, seeds.*epochs"),
        (b'name = "\xff"\n', "not valid TOML"),
    ],
)
def test_wrong_files_are_refused(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        load_config(path)


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("views", -1, "views should be 0 or more. Received -1"),
        ("mixup", -0.1, "mixup should be 0 or more"),
        ("ema", 1.0, "ema should be at least 0 and below 1. Received 1.0"),
        ("label_smoothing", -0.1, "label_smoothing should be"),
        ("balance", "some", "balance should be one of.*weights.*Received 'some'"),
        ("head_input", "pixels", "head_input should be one of.*differences.*Received 'pixels'"),
        ("augment_flip", 1, "augment_flip should be of type bool. Received 1"),
        ("data", os.fsdecode(b"caf\xe9"), r"data should be spelled in UTF-8. Received 'caf\\xe9'"),
        ("name", os.fsdecode(b"\xe9"), r"name should be spelled in UTF-8. Received '\\xe9'"),
    ],
)
def test_settings_out_of_range_are_refused(setting: str, value: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        FitConfig.of(**({"data": "d"} | {setting: value}))


def test_what_needs_pixels_is_named_as_it_is_typed() -> None:
    with pytest.raises(DataError, match="--fresh-views") as caught:
        FitConfig.of(data="d", fine_tune_size=160)
    assert "--fine-tune-size 160 without it. Add --fresh-views" in str(caught.value)
    assert "cutmix" not in str(caught.value)
    with pytest.raises(DataError, match=r"--fine-tune-size 96 and --cutmix 0\.5 without it"):
        FitConfig.of(data="d", fine_tune_size=96, cutmix=0.5)
    assert FitConfig.of(data="d", fine_tune_size=96, fresh_views=True).fine_tune.size == 96


def test_stage_2_learns_from_windows_that_the_head_can_see() -> None:
    drawn = {"num_frames": 8, "fine_tune_frames": 2, "fresh_views": True}
    assert FitConfig.of(data="d", **drawn).drawn_frames == 2
    assert FitConfig.of(data="d", num_frames=8, fresh_views=True).drawn_frames == 8
    with pytest.raises(DataError, match="--fine-tune-frames 2 without it"):
        FitConfig.of(data="d", **drawn | {"fresh_views": False})
    with pytest.raises(DataError, match=r"from 1 to num_frames, 8 here\. Received 9"):
        FitConfig.of(data="d", **drawn | {"fine_tune_frames": 9})
    with pytest.raises(DataError, match=r"from 2 to num_frames, 8 here\. Received 1"):
        FitConfig.of(data="d", **drawn | {"fine_tune_frames": 1, "head_input": "differences"})
    # T that the data decides on is checked when it is known.
    open_length = FitConfig.of(data="d", **drawn | {"num_frames": 0, "fine_tune_frames": 16})
    with pytest.raises(DataError, match="from 1 to num_frames, 1 here"):
        open_length.with_(num_frames=1)


def test_options_of_a_fine_tuning_that_does_not_take_place_are_known() -> None:
    config = FitConfig.of(data="d", fine_tune_size=96, fresh_views=True)
    assert config.without_effect == ["--fresh-views", "--fine-tune-size 96"]
    assert not config.with_(fine_tune_blocks=1).without_effect
    assert not FitConfig.of(data="d").without_effect
    averaged = FitConfig.of(data="d", ema=0.99, mixed_precision=True)
    assert averaged.without_effect == ["--ema 0.99", "--mixed-precision"]


def test_differences_of_one_frame_are_refused() -> None:
    with pytest.raises(DataError, match="needs windows of at least 2 frames"):
        FitConfig.of(data="d", num_frames=1, head_input="differences")


@pytest.mark.parametrize("name", ["gone.toml", "."])
def test_unreadable_file_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        load_config(tmp_path / name)


@pytest.mark.parametrize(
    ("num_frames", "window_stride", "expected"),
    [(16, 0, 4), (4, 0, 1), (3, 0, 1), (1, 0, 1), (16, 5, 5)],
)
def test_stride(num_frames: int, window_stride: int, expected: int) -> None:
    config = FitConfig.of(data="d", num_frames=num_frames, window_stride=window_stride)
    assert config.window.stride == expected
