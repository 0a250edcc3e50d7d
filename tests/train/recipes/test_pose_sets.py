"""The recipes that write what models of poses are trained on."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from har_train.skeletons.sets import load_skeletons
from tests.support.skeletons import falling, save, standing
from tests.train.recipes.conftest import LoadRecipe

pytestmark = pytest.mark.train


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def make_sets(folder: Path) -> Path:
    """Two sets, in which somebody stands, sits down (as far as these bodies can) and throws."""
    folder.mkdir()
    joints = np.concatenate([standing(20), falling(20), standing(20)])
    for name in ("one", "two"):
        save(
            folder / f"{name}.npz",
            xyz=joints.astype(np.float16),
            off=np.array([0, 20, 40, 60]),
            label=np.array(["walking", "sit_down", "throwing"]),
            group=np.array(["a", "b", "c"]),
            fps=np.full(3, 15.0, np.float32),
        )
    return folder


def test_sets_of_poses_are_written(load_recipe: LoadRecipe, tmp_path: Path) -> None:
    sets = make_sets(tmp_path / "sets")
    tracks = tmp_path / "tracks.csv"
    tracks.write_text("path,label,group,split\ntracks/x.npz#0,lying,urfd/fall-01,\n")
    arguments = [sets, tmp_path / "poses", "--falls", 20, "--leave-out", "two"]
    result = CliRunner().invoke(
        load_recipe("make_pose_sets").main,
        [*map(str, arguments), "--tracks", str(tracks)],
        catch_exceptions=False,
    )
    assert result.exit_code == 0, result.output
    rows = rows_of(tmp_path / "poses" / "poses.csv")
    left_out = rows_of(tmp_path / "poses" / "left-out.csv")
    assert [row["label"] for row in left_out] == ["walking", "sitting down", "other"]
    assert {row["group"].split("/")[0] for row in left_out} == {"two"}
    assert not any(row["group"].startswith("two") for row in rows)
    assert {"falling", "standing", "sitting", "other"} <= {row["label"] for row in rows}
    assert rows[-1]["path"] == "../tracks/x.npz#0"
    # Nobody's movements are on two sides, and what was made of them is on theirs.
    splits: dict[str, set[str]] = {}
    for row in rows:
        splits.setdefault(row["group"], set()).add(row["split"])
    assert all(len(found) == 1 for found in splits.values())
    assert {s.group for s in load_skeletons(tmp_path / "poses" / "falls.npz")} <= {
        "falls/one/a",
        "falls/one/c",
    }


def test_seconds_of_videos_are_written(load_recipe: LoadRecipe, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "urfd"
    lines = ["sequence,frame,posture"]
    lines += [f"fall-01,{n},{-1 if n < 60 else 0 if n < 75 else 1}" for n in range(1, 151)]
    for name in ("falling/fall-01__fall-01-cam1.mp4", "adl/adl-01__adl-01-cam0.mp4"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_bytes(b"")
    (folder / "frames.csv").write_text("\n".join(lines) + "\n")
    bed = tmp_path / "data" / "bed_fall" / "non_fall"
    bed.mkdir(parents=True)
    (bed / "non_fall_1.mp4").write_bytes(b"")
    result = CliRunner().invoke(
        load_recipe("make_track_manifest").main,
        [str(tmp_path / "data"), str(tmp_path / "out")],
        catch_exceptions=False,
    )
    assert result.exit_code == 0, result.output
    rows = rows_of(tmp_path / "out" / "tracks.csv")
    assert [(row["label"], row["group"]) for row in rows] == [
        ("walking", "urfd/adl-01"),
        ("squatting", "urfd/adl-01"),
        ("falling", "urfd/fall-01"),
        ("lying", "urfd/fall-01"),
        ("other", "bed_fall/non_fall_1"),
    ]
    assert rows[4]["path"] == "bed_fall/non_fall/non_fall_1.mp4"
    spans = [(float(row["start_s"]), float(row["end_s"])) for row in rows[:4]]
    assert spans[2] == (pytest.approx(1.3), pytest.approx(3.4))
    assert spans[3] == (pytest.approx(3.4), pytest.approx(5.0))


def test_what_was_read_off_videos_is_known_to_the_sets(load_recipe: LoadRecipe) -> None:
    """Each label is one that skeletons or made falls have, and no span ends before it begins."""
    manifest = load_recipe("make_track_manifest")
    sets = load_recipe("make_pose_sets")
    for spans in manifest.read_daily(manifest.DAILY).values():
        for label, start_s, end_s in spans:
            assert label in {*sets.LABELS.values(), *sets.KINDS, sets.OTHER}
            assert end_s - start_s >= manifest.LEAST_S
