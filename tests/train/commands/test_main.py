"""`har-train` as a user types it."""

from __future__ import annotations

import csv
import importlib.util
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from click.testing import CliRunner

from har_edge.model.spec import ModelSpec
from har_train.commands.main import cli
from har_train.config import load_config
from har_train.dataset.samples import load_dataset

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.train

RunCommand = Callable[..., "CompletedProcess[str]"]


@pytest.fixture
def without_keras(tmp_path: Path) -> dict[str, str]:
    """An environment in which Keras and TensorFlow are not installed."""
    folder = tmp_path / "blocked"
    folder.mkdir()
    for name in ("keras", "tensorflow"):
        text = f"raise ModuleNotFoundError(\"No module named '{name}'\", name='{name}')\n"
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    return {"PYTHONPATH": str(folder)}


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["data", "--epochs", "0"],
        ["data", "--size", "31"],
        ["data", "--labels", " ,"],
        ["data", "--resize", "squash"],
        ["data", "--dropout", "1"],
        ["data", "--learning-rate", "0"],
        ["data", "--batch-size", "1"],
        ["data", "--no-such-option"],
    ],
)
def test_usage_errors_exit_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(cli, ["fit", *arguments]).exit_code == 2


def test_missing_data_says_what_to_give() -> None:
    result = CliRunner().invoke(cli, ["fit"])
    assert "DATA is missing: give a folder, a manifest or --config." in result.output


def test_help_and_version() -> None:
    assert "har-train fit DATA --out runs/mine" in CliRunner().invoke(cli, ["fit", "-h"]).output
    assert "0.1.0" in CliRunner().invoke(cli, ["--version"]).output


def test_missing_extra_is_explained(
    har_train: RunCommand, stills: Path, without_keras: dict[str, str]
) -> None:
    result = har_train("fit", stills, "--out", "run", **without_keras)
    assert result.returncode == 1
    assert 'pip install "har-edge[train]"' in result.stderr
    assert "'tensorflow'" in result.stderr


def test_bad_input_is_refused_before_keras_is_needed(
    har_train: RunCommand, stills: Path, tmp_path: Path, without_keras: dict[str, str]
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "precious").touch()
    (tmp_path / "file").touch()
    (tmp_path / "wrong.toml").write_text("epoch = 1", encoding="utf-8")
    for arguments, message in (
        ([stills, "--out", "full"], "full is not empty"),
        ([stills, "--out", "file/run"], "cannot be created"),
        (["gone"], "no dataset at gone"),
        (["--config", "gone.toml"], "gone.toml cannot be read"),
        (["--config", "wrong.toml"], "do not exist: epoch"),
    ):
        result = har_train("fit", *arguments, **without_keras)
        assert result.returncode == 1
        assert message in result.stderr
        assert result.stdout == ""
    assert (tmp_path / "full" / "precious").exists()


def test_resume_takes_no_other_setting() -> None:
    result = CliRunner().invoke(cli, ["fit", "--resume", "run", "--seed", "1"])
    assert result.exit_code == 2
    assert "Leave the others out" in result.output


def test_nothing_to_resume_is_explained(har_train: RunCommand) -> None:
    result = har_train("fit", "--resume", "runs/gone")
    assert result.returncode == 1
    assert "There is no unfinished training of runs/gone" in result.stderr


def test_tensorboard_that_is_missing_is_explained(har_train: RunCommand, stills: Path) -> None:
    if importlib.util.find_spec("tensorboard"):
        pytest.skip("TensorBoard is installed")
    result = har_train("fit", stills, "--tensorboard", "logs")
    assert result.returncode == 1
    assert 'pip install "har-edge[tensorboard]"' in result.stderr


def test_checkpoints_of_another_training_are_not_overwritten(
    har_train: RunCommand, stills: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run.partial" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / "head.npz").write_bytes(b"precious")
    result = har_train("fit", stills, "--out", "run", "--weights", "none", "--size", "32")
    assert result.returncode == 1
    assert (
        "run.partial contains an unfinished training. Continue it with --resume run"
        in result.stderr
    )
    assert (folder / "head.npz").read_bytes() == b"precious"


def test_refused_training_leaves_nothing(
    har_train: RunCommand, stills: Path, tmp_path: Path
) -> None:
    result = har_train("fit", stills, "--out", "run", "--weights", "gone.h5", "--size", "32")
    assert result.returncode == 1
    assert "There is no weights file gone.h5" in result.stderr
    assert not list(tmp_path.glob("run*"))


def test_corrupt_clip_is_skipped_named_and_counted(
    har_train: RunCommand, run_folder: Path, clips: Path, cache: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    for row in load_dataset(run_folder / "split.csv", clips):
        target = data / row.split / row.label / row.path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(row.path, target)
    whole = (clips / "left" / "1.mp4").read_bytes()
    (data / "train" / "left" / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    settings = ("--config", run_folder / "config.toml", "--epochs", "1", "--cache", cache)
    idle = ("--fresh-views", "--cutmix", "1")
    result = har_train("fit", data, *settings, *idle, "--out", "run")
    assert result.returncode == 0, result.stderr
    assert "have no effect: --fresh-views, --cutmix 1." in result.stderr
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    named = next(i for i, line in enumerate(lines) if "cut.mp4 is not a video" in line)
    assert lines.index("Left out unreadable files (1): cut.mp4") > named
    assert lines[-1].startswith("Kept epoch 1.")
    found = load_dataset(tmp_path / "run" / "split.csv", data)
    assert len(found) == 12
    assert "cut.mp4" not in {s.path.name for s in found}


def test_what_is_learnt_beside_the_labels(
    har_train: RunCommand, run_folder: Path, clips: Path, cache: Path, stills: Path, tmp_path: Path
) -> None:
    rows = (run_folder / "split.csv").read_text(encoding="utf-8").splitlines()
    named = [f"{clips.name}/{row}" for row in rows[1:]]
    others = [f"{p.relative_to(tmp_path)},photo_{p.parent.name},," for p in stills.rglob("*.png")]
    (tmp_path / clips.name).symlink_to(clips)
    (tmp_path / "all.csv").write_text("\n".join([rows[0], *named, *others]), encoding="utf-8")
    settings = ("--config", run_folder / "config.toml", "--cache", cache, "--root", tmp_path)
    result = har_train("fit", "all.csv", *settings, "--labels", "left, right", "--out", "run")
    assert result.returncode == 0, result.stderr
    run = tmp_path / "run"
    assert (run / "labels.txt").read_text(encoding="utf-8").split() == ["left", "right"]
    assert {s.label for s in load_dataset(run / "split.csv", tmp_path)} == {"left", "right"}
    beside = load_dataset(run / "beside.csv", tmp_path)
    assert {(s.label, s.split) for s in beside} == {("photo_blue", "train"), ("photo_red", "train")}
    assert len(beside) == 8
    specs = [ModelSpec.from_json((f / "spec.json").read_bytes()) for f in (run, run_folder)]
    assert specs[0].data_fingerprint != specs[1].data_fingerprint  # of all that was learnt from
    result = har_train("evaluate", "run", "--cache", cache)
    assert result.returncode == 0, result.stderr
    result = har_train("fit", "all.csv", *settings, "--labels", "left,up", "--out", "no")
    assert result.returncode == 1
    assert (
        "of the dataset's: left, photo_blue, photo_red, right. Received left, up" in result.stderr
    )


def test_interrupt_names_the_command_that_goes_on(
    run_folder: Path, cache: Path, tmp_path: Path
) -> None:
    script = Path(sys.executable).with_name("har-train")
    if not script.is_file():
        pytest.skip("har-train is not installed beside this Python")
    command = [script, "fit", "--config", run_folder / "config.toml", "--out", "mine"]
    command += ["--cache", cache, "--epochs", "500", "--patience", "500"]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "epoch   3/" in line:
                process.send_signal(signal.SIGINT)
                break
        rest = process.stderr.read()
    assert process.returncode == 130
    assert "Traceback" not in rest
    assert f"Continue with: har-train fit --resume mine --cache {cache}\n" in rest
    assert (tmp_path / "mine.partial" / "checkpoints").is_dir()


def test_settings_of_a_run_train_it_again(
    har_train: RunCommand, run_folder: Path, cache: Path, tmp_path: Path
) -> None:
    result = har_train(
        "fit", "--config", run_folder / "config.toml", "--out", "again", "--cache", cache
    )
    assert result.returncode == 0, result.stderr
    header, *rows = (line.split() for line in result.stdout.splitlines())
    assert header == ["train", "val", "test"]
    assert {"accuracy", "window_accuracy", "macro_f1",
            "clips", "windows"} <= {row[0] for row in rows}  # fmt: skip
    assert {len(row) for row in rows} == {4}
    assert "epoch   3/3" in result.stderr
    again = tmp_path / "again"
    for name in ("split.csv", "config.toml", "spec.json", "labels.txt"):
        assert (again / name).read_bytes() == (run_folder / name).read_bytes()
    tables = []
    for folder in (again, run_folder):
        with (folder / "predictions.csv").open(encoding="utf-8", newline="") as file:
            tables.append(list(csv.DictReader(file)))
    for one, two in zip(*tables, strict=True):
        assert one["path"] == two["path"]
        assert float(one["p(left)"]) == pytest.approx(float(two["p(left)"]), abs=1e-4)


def test_options_win_over_the_file_and_stills_get_one_frame(
    har_train: RunCommand, stills: Path, cache: Path, tmp_path: Path
) -> None:
    text = f'data = "{stills.name}"\nepochs = 9\nsize = 32\nweights = "none"\n'
    (tmp_path / "c.toml").write_text(text, encoding="utf-8")
    result = har_train("fit", "--config", "c.toml", "--epochs", "1", "--cache", cache)
    assert result.returncode == 0, result.stderr
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name.startswith("stills-")
    saved = load_config(folder / "config.toml")
    assert (saved["epochs"], saved["num_frames"], saved["size"]) == (1, 1, 32)
    assert saved["batch_size"] == 32
