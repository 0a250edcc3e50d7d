"""Run folders are read without TensorFlow, whoever wrote them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from har_edge.errors import DataError, SpecError
from har_edge.model.file import pack_model_file, read_model_file, resolve_model
from har_edge.model.spec import ClipSpec, ModelSpec
from har_edge.run_folder import (
    TrainedRun,
    bundled_run,
    find_root,
    is_run_folder,
    list_data,
    read_run,
    root_of,
    run_of,
)
from tests.conftest import ASSETS

SPEC = ModelSpec("mine", ("a", "b"), ClipSpec(16, 8.0, 32, 32), 8)


def make_run(folder: Path, **texts: str) -> Path:
    """A run folder with a spec, and what else is given by file name without its ending."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "spec.json").write_text(SPEC.to_json(), encoding="utf-8")
    endings = {"metrics": "json", "config": "toml", "spec": "json"}
    for name, text in texts.items():
        (folder / f"{name}.{endings[name]}").write_text(text, encoding="utf-8")
    return folder


def test_a_run_stands_for_its_folder(tmp_path: Path) -> None:
    run = read_run(make_run(tmp_path / "run"))
    assert run == TrainedRun(tmp_path / "run", SPEC)
    assert os.fspath(run) == str(tmp_path / "run")
    assert Path(run) / "model.keras" == run.model_path
    assert run.labels == ("a", "b")
    assert run.metrics == run.config == {}


def test_metrics_and_settings(tmp_path: Path) -> None:
    metrics = '{"best_epoch": 3, "test": {"accuracy": 0.5}}'
    run = read_run(make_run(tmp_path, metrics=metrics, config='data = "clips"\n'))
    assert run.metrics == {"test": {"accuracy": 0.5}}
    assert run.config == {"data": "clips"}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("metrics", "{", r"metrics\.json is not valid JSON"),
        ("metrics", "[]", r"metrics\.json should hold figures by split"),
        ("config", "data", r"config\.toml is not valid TOML"),
    ],
)
def test_damaged_files_are_named(name: str, text: str, message: str, tmp_path: Path) -> None:
    run = read_run(make_run(tmp_path, **{name: text}))
    with pytest.raises(DataError, match=message):
        getattr(run, name)


def test_without_a_whole_spec_it_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone/spec\.json: No such file"):
        read_run(tmp_path / "gone")
    with pytest.raises(SpecError, match=r"spec\.json is not valid JSON"):
        read_run(make_run(tmp_path, spec="{"))


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Data that a run was trained on; nothing here looks into its files."""
    touch(tmp_path / "clips" / "1.mp4", tmp_path / "clips" / "2.mp4")
    return tmp_path / "clips"


def names_of(data: Path, root: Path | str = "") -> list[tuple[str, str]]:
    return [(s.path.name, s.split) for s in list_data(data, root).usable()]


SPLIT = "path,label,group,split\n1.mp4,a,1.mp4,train\n2.mp4,b,2.mp4,test\n"
ANSWERS = "path,label,first_frame,action,p(a),split\n2.mp4,b,0,a,1,test\n2.mp4,b,4,a,1,test\n"


def test_a_run_finds_its_own_data(clips: Path, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", config=f'data = "{clips}"\n')
    (run / "split.csv").write_text(SPLIT, encoding="utf-8")
    (run / "predictions.csv").write_text(ANSWERS, encoding="utf-8")
    assert names_of(run) == [("1.mp4", "train"), ("2.mp4", "test")]
    assert read_run(run).recorded_root == clips
    clip, = read_run(run).held_out_files(clips)  # fmt: skip
    assert (clip.path, clip.first_frames) == (clips / "2.mp4", (0, 4))
    clips.rename(tmp_path / "moved")
    assert read_run(run).recorded_root is None
    with pytest.raises(DataError, match=rf"should be in {clips}, which does not exist.*--root"):
        list_data(run)
    assert names_of(run, tmp_path / "moved") == [("1.mp4", "train"), ("2.mp4", "test")]


def test_a_run_on_a_manifest_finds_the_files_beside_it(clips: Path, tmp_path: Path) -> None:
    """Also when the manifest is gone: the run has its lines."""
    run = make_run(tmp_path / "run", config=f'data = "{clips}/list.csv"\nroot = ""\n')
    (run / "split.csv").write_text(SPLIT, encoding="utf-8")
    assert names_of(run) == [("1.mp4", "train"), ("2.mp4", "test")]
    (run / "config.toml").write_text(f'data = "gone/list.csv"\nroot = "{clips}"\n', "utf-8")
    assert names_of(run) == [("1.mp4", "train"), ("2.mp4", "test")]
    (run / "config.toml").write_text('data = "gone/list.csv"\n', "utf-8")
    with pytest.raises(DataError, match=r"in gone, which does not exist.*split\.csv.*--root"):
        list_data(run)


def test_paths_start_where_the_training_was_started(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path / "runs" / "mine", config='data = "clips"\n')
    (run / "split.csv").write_text(SPLIT, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert names_of(Path("runs/mine")) == [("1.mp4", "train"), ("2.mp4", "test")]
    monkeypatch.chdir(tmp_path / "runs")
    with pytest.raises(DataError, match=r"data of mine should be in clips, which does not exist"):
        list_data("mine")
    assert names_of(Path("mine"), clips) == [("1.mp4", "train"), ("2.mp4", "test")]


def test_a_bundled_run_gives_its_test_part(clips: Path, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", config='data = ""\nroot = ""\n')
    assert not is_run_folder(run)
    (run / "predictions.csv").write_text(ANSWERS, encoding="utf-8")
    assert is_run_folder(run)
    assert read_run(run).recorded_root is None
    with pytest.raises(DataError, match=r"does not say where its data.*predictions\.csv.*--root"):
        list_data(run)
    assert names_of(run, clips) == [("2.mp4", "test")]


def test_a_table_without_settings_lies_beside_its_files(clips: Path) -> None:
    (clips / "split.csv").write_text(SPLIT, encoding="utf-8")
    assert find_root(clips) == clips
    assert names_of(clips) == [("1.mp4", "train"), ("2.mp4", "test")]


def test_what_is_no_run_is_a_dataset(clips: Path, tmp_path: Path) -> None:
    touch(tmp_path / "data" / "a" / "1.mp4")
    assert names_of(tmp_path / "data") == [("1.mp4", "")]
    with pytest.raises(DataError, match="There is no dataset"):
        list_data(tmp_path / "gone")


def test_root_of_data(clips: Path) -> None:
    assert root_of(str(clips)) == clips
    assert root_of(str(clips / "1.mp4")) == clips  # any file is taken for a table
    assert root_of(str(clips), "/elsewhere") == Path("/elsewhere")
    assert root_of("gone/list.CSV") == Path("gone")
    assert root_of("gone") == Path("gone")


def test_reading_runs_and_datasets_is_light() -> None:
    code = (
        "import sys, har_edge.run_folder\n"
        "print(*sorted({n.split('.')[0] for n in sys.modules} & "
        "{'cv2', 'tensorflow', 'keras', 'pandas', 'sklearn', 'matplotlib', 'PIL', 'scipy'}))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout == "\n"


def test_the_run_of_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    bundled = run_of("har15")
    assert bundled is not None and bundled == bundled_run("har15")
    assert run_of(resolve_model("har15")) == bundled
    assert bundled_run("mine") is None
    file = tmp_path / "mine-int8.tflite"
    network = read_model_file(ASSETS / "tiny-int8.tflite").flatbuffer
    file.write_bytes(pack_model_file(network, SPEC.with_(variant="int8")))
    assert run_of(file) is None
    for name, spec in (("old", SPEC), ("other", SPEC.with_(data_fingerprint="f")), ("new", SPEC)):
        run = make_run(tmp_path / "runs" / name)
        (run / "spec.json").write_text(spec.to_json(), encoding="utf-8")
        (run / "model.keras").write_bytes(b"")
        os.utime(run / "model.keras", (1, 1 if name == "old" else 2))
    assert run_of(file) == Path("runs") / "new"
    assert run_of("runs/old") == run_of("runs/old/model.keras") == Path("runs/old")
