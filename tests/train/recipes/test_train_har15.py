"""One command for a whole training: what is there is kept, what was interrupted goes on."""

from __future__ import annotations

from pathlib import Path

from har_train.config import FitConfig, load_config
from tests.train.recipes.conftest import RECIPES, LoadRecipe


def test_nothing_is_done_twice(load_recipe: LoadRecipe, tmp_path: Path) -> None:
    recipe = load_recipe("train_har15")
    data, out = tmp_path / "data", tmp_path / "out"
    steps = recipe.plan(data, out)
    assert [step.made.relative_to(out).as_posix() for step in steps] == [
        "manifests/har15.csv", "runs/efficientnet-lite0", "runs/efficientnet-lite1",
        "runs/efficientnet-lite2", "runs/har15", "models/efficientnet-lite1", "models/har15",
    ]  # fmt: skip
    for made in steps[:3]:
        made.made.parent.mkdir(parents=True, exist_ok=True)
        made.made.touch()
    (out / "runs" / "efficientnet-lite2.partial").mkdir()
    rest = recipe.plan(data, out, tmp_path / "more")
    assert [step.made.name for step in rest][:2] == ["efficientnet-lite2", "har15"]
    assert rest[0].command[2:4] == ("fit", "--resume")
    assert rest[1].command[-4:-2] == ("--unlabelled", str(tmp_path / "more"))


def test_the_teachers_are_the_three_sizes(load_recipe: LoadRecipe, tmp_path: Path) -> None:
    recipe = load_recipe("train_har15")
    steps = {step.made.relative_to(tmp_path): step for step in recipe.plan(tmp_path, tmp_path)}
    student = steps[Path("runs/har15")]
    options = dict(zip(student.command[4::2], student.command[5::2], strict=True))
    settings = load_config(RECIPES / "har15-lite.toml")
    asked = {"backbone": options["--backbone"], "teacher": options["--teacher"]}
    config = FitConfig.of(**{"data": "d"} | settings | asked)
    assert [Path(path).name for path in config.fine_tune.teachers] == list(recipe.SIZES)
