"""Every recipe says how it is used, and runs on a little data."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import har_edge
from har_edge.datasets import SPLITS, Sample
from har_edge.frames.decode import load_image
from har_edge.model.people_file import read_people_file
from har_edge.model.spec import ModelSpec
from har_edge.people.open import BUNDLED_FILE, open_locator
from har_train.config import load_config
from har_train.dataset.samples import load_dataset
from tests.conftest import write_video
from tests.support.people import MOVENET, SSD, teacher
from tests.support.skeletons import falling, save, standing
from tests.train.recipes.conftest import RECIPES, LoadRecipe

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.train

SAMPLES = Path(har_edge.__file__).parent / "samples"
NAMES = sorted(path.stem for path in RECIPES.glob("*.py"))


def run(recipe: ModuleType, *arguments: str | Path, **env: str) -> str:
    result = CliRunner().invoke(
        recipe.main, [str(a) for a in arguments], env=env, catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("name", NAMES)
def test_help_says_what_it_does(name: str, load_recipe: LoadRecipe) -> None:
    recipe = load_recipe(name)
    assert recipe.__doc__
    assert recipe.main.help in run(recipe, "--help").replace("\n  ", " ")
    assert CliRunner().invoke(recipe.main, ["--no-such-option"]).exit_code == 2


def test_bundle_takes_free_frames_alone(
    load_recipe: LoadRecipe, run_folder: Path, clips: Path, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    for folder in ("bed_fall", "ucf101"):
        (tmp_path / "data" / folder).symlink_to(clips)
    rows = [["path", "label", "split"]]
    for folder in ("bed_fall", "ucf101"):
        paths = sorted(clips.rglob("*.mp4"))
        rows += [[f"{folder}/{p.relative_to(clips)}", p.parent.name, "train"] for p in paths]
    with (tmp_path / "all.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    said = run(
        load_recipe("bundle"),
        run_folder,
        tmp_path / "all.csv",
        tmp_path / "data",
        "--out",
        tmp_path,
        "--about",
        RECIPES / "har15-lite.toml",
    )
    bundled = tmp_path / "squares"
    assert f"wrote {bundled}: " in said
    config = load_config(bundled / "config.toml")
    about = load_config(RECIPES / "har15-lite.toml")["about"]
    assert config["about"] == about
    assert isinstance(about, dict)
    spec = ModelSpec.from_json((bundled / "spec.json").read_bytes())
    assert spec.description == about["description"]
    assert (config["data"], config["root"]) == ("", "")
    assert "/" not in str(config["weights"])
    assert (bundled / "model.keras").read_bytes() == (run_folder / "model.keras").read_bytes()
    with np.load(bundled / "representative.npz") as found:
        assert len(found["windows"]) >= 4
        assert int(found["windows"].max()) < len(found["frames"])


def test_of_sequences_those_of_free_sets_are_passed_on_and_paths_are_short(
    load_recipe: LoadRecipe, tmp_path: Path
) -> None:
    bundle = load_recipe("bundle")

    def is_free(path: str, group: str) -> bool:
        return bool(bundle.is_free(Sample(tmp_path / path, "walking", group), tmp_path))

    assert is_free("skeletons/cmu_walk.npz#1", "cmu_walk/7")
    assert not is_free("skeletons/msrc12.npz#1", "msrc12/7")
    assert is_free("bed_fall/fall/1.mp4", "1") and not is_free("urfd/falling/1.mp4", "1")
    table = tmp_path / "predictions.csv"
    table.write_text("path,label\n../../far/skeletons/a.npz#3,walking\nfalls.npz#0,falling\n")
    bundle.shorten_paths(table)
    assert table.read_text() == ("path,label\nskeletons/a.npz#3,walking\nfalls.npz#0,falling\n")


@pytest.mark.slow
def test_cross_validation_trains_each_manifest_with_each_seed(
    load_recipe: LoadRecipe, run_folder: Path, clips: Path, tmp_path: Path
) -> None:
    text = (run_folder / "config.toml").read_text(encoding="utf-8")
    config = tmp_path / "short.toml"
    config.write_text(text.replace("epochs = 3\n", "epochs = 1\n"), encoding="utf-8")
    said = run(
        load_recipe("cross_validate"), config, clips, run_folder / "split.csv",
        "--seeds", "2", "--out", tmp_path / "found.json", HAR_CACHE_DIR=str(tmp_path / "cache"),
    )  # fmt: skip
    assert [line.split()[0] for line in said.splitlines()] == [
        "manifest", "split", "split", "mean", "deviation",
    ]  # fmt: skip
    found = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert [row["seed"] for row in found["runs"]] == [0, 1]
    assert {row["clips"] for row in found["runs"]} == {2}


def noise(seed: int, count: int = 3) -> list[np.ndarray]:
    """Frames of one coarse pattern, unlike that of any other seed."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3)).astype(np.uint8)
    return [np.kron(coarse, np.ones((8, 8, 1), np.uint8))] * count


@pytest.fixture
def public_data(tmp_path: Path) -> Path:
    """The public datasets in small: as many groups as there are folds."""
    data, number = tmp_path / "data", 0
    (data / "har15" / "train").mkdir(parents=True)
    rows = [["filename", "label"]]
    for label in ("fighting", "running"):
        for _ in range(12):
            number += 1
            Image.fromarray(noise(number)[0]).save(data / "har15" / "train" / f"{number}.png")
            rows.append([f"{number}.png", label])
    with (data / "har15" / "Training_set.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    folders = {
        **{
            f"ucf101/{name}": f"v_{name}_g{{:02d}}_c01"
            for name in ("BabyCrawling", "Punch", "PushUps")
        },
        "surveillance_fight/fight": "fi{}",
        "surveillance_fight/noFight": "nofi{}",
        "bed_fall/fall": "fall_{}",
        "bed_fall/non_fall": "roll_{}",
    }
    for folder, stem in folders.items():
        (data / folder).mkdir(parents=True)
        for i in range(20):
            number += 1
            write_video(data / folder / f"{stem.format(i)}.mp4", noise(number), 24)
    tests = [f"{p.parent.name}/{p.stem}.avi" for p in data.glob("ucf101/*/*_g0[12]_*.mp4")]
    (data / "ucf101" / "testlist01.txt").write_text("\n".join(tests))
    (data / "surveillance_fight" / "videos.txt").write_text("", encoding="utf-8")
    return data


def test_manifests_name_every_split_and_keep_their_groups_apart(
    load_recipe: LoadRecipe, public_data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "manifests"
    run(load_recipe("make_manifests"), public_data, out)
    counts = {"clips-fold": 5, "fights": 5, "ucf101-fold": 6}
    expected = {"har15", "clips", "clips-beside", "ucf101"}
    expected |= {f"{name}-{i}" for name, count in counts.items() for i in range(1, count + 1)}
    assert {path.stem for path in out.glob("*.csv")} == expected
    for path in out.glob("*.csv"):
        samples = load_dataset(path, public_data)
        assert {s.split for s in samples} == set(SPLITS)
        sides = {(s.group, s.split) for s in samples}
        assert len(sides) == len({group for group, _ in sides})


def test_samples_are_rendered_from_clips(load_recipe: LoadRecipe, tmp_path: Path) -> None:
    recipe = load_recipe("make_samples")
    stills = (clip for clip, _ in recipe.STILLS.values())
    for i, clip in enumerate([recipe.CLIP, *recipe.SIDE_BY_SIDE, *stills]):
        path = tmp_path / "bed_fall" / clip
        path.parent.mkdir(parents=True, exist_ok=True)
        write_video(path, noise(i, count=48), 24)
    run(recipe, tmp_path, "--out", tmp_path / "samples")
    names = {path.name for path in (tmp_path / "samples").iterdir()}
    assert names == {"falling.mp4", "two_people.mp4", *recipe.STILLS}
    with Image.open(tmp_path / "samples" / "seated.jpg") as picture:
        assert picture.size == recipe.SIZE


def test_poses_are_judged_on_sets_that_were_not_seen(
    load_recipe: LoadRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HAR_CACHE_DIR", str(tmp_path / "cache"))
    joints = np.concatenate([standing(8)] * 12 + [falling(8)] * 12)
    labels = np.repeat(["standing", "falling"], 12)
    for name in ("one", "two"):
        save(
            tmp_path / f"{name}.npz",
            xyz=joints,
            off=np.arange(0, 8 * 25, 8),
            label=labels,
            group=np.arange(24).astype(str),
            fps=np.full(24, 8.0),
        )
    recipe, out = load_recipe("pose_across_sets"), tmp_path / "out.json"
    options = ("--folds", "2", "--views", "1", "--epochs", "2", "--units", "4", "--out", out)
    said = run(recipe, tmp_path, *options)
    assert "macro recall of 2 labels" in said
    found = json.loads(out.read_text())
    assert [row["label"] for row in found["labels"]] == ["falling", "standing"]
    assert [row["sequences"] for row in found["labels"]] == [24, 24]
    # What was answered is kept: a run that is cut off goes on.
    assert (tmp_path / "out.fold1.npy").is_file()
    assert run(recipe, tmp_path, *options) == said


def test_a_file_gets_a_second_look(load_recipe: LoadRecipe, tmp_path: Path) -> None:
    pictures = [p for p in sorted(SAMPLES.glob("*.jpg"))]
    random = np.random.default_rng(0)
    for number in range(3):
        grains = random.integers(0, 256, (24, 32, 3)).astype(np.uint8)
        pictures.append(tmp_path / f"{number}.png")
        Image.fromarray(grains).resize((320, 240)).save(pictures[-1])
    rows = [(p, "any", split) for split in ("train", "val") for p in pictures]
    with (tmp_path / "people.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("path", "label", "split"), *rows])
    out = tmp_path / "again.tflite"
    said = run(
        load_recipe("rescore_people"), BUNDLED_FILE, tmp_path / "people.csv",
        "--detector", teacher(SSD), "--pose", teacher(MOVENET), "--work", tmp_path / "work",
        "--out", out,
    )  # fmt: skip
    assert f"wrote {out}: learnt from " in said
    (before, network), (after, same) = read_people_file(BUNDLED_FILE), read_people_file(out)
    assert network == same
    assert before.rescore != after.rescore != ()
    seated = load_image(SAMPLES / "seated.jpg")
    assert open_locator(out).locate(seated)[0].score >= 0.5
