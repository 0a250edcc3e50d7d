"""Which run is converted, and what is read of it."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from har_convert.clip import LabelledClip, thin
from har_convert.run_folder import Run, find_run, iter_clips, load_run
from har_edge.errors import DataError, SpecError
from har_edge.run_folder import bundled_run, read_config
from har_edge.sources.clips import load_frames

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.train

NEEDED = ("model.keras", "spec.json", "representative.npz")


def make_run(folder: Path, age_s: int = 0) -> Path:
    """A folder with the files that make it a run, the model so many seconds old."""
    folder.mkdir(parents=True)
    for name in NEEDED:
        (folder / name).touch()
    os.utime(folder / "model.keras", (1e9 - age_s, 1e9 - age_s))
    return folder


def test_named_run_or_its_model(run_folder: Path) -> None:
    assert find_run(str(run_folder)) == run_folder
    assert find_run(str(run_folder / "model.keras")) == run_folder


@pytest.mark.parametrize("missing", NEEDED)
def test_missing_file_is_named(missing: str, copied_run: Path) -> None:
    (copied_run / missing).unlink()
    with pytest.raises(DataError, match=rf"copied should be .* lacks {missing}.*har15"):
        find_run(str(copied_run))


def test_folder_that_does_not_exist() -> None:
    with pytest.raises(DataError, match=r"gone should be .* lacks model.keras, spec.json"):
        find_run("gone")


def test_newest_run_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_run(None) == bundled_run("har15")
    make_run(tmp_path / "runs" / "z-old", age_s=100)
    newest = make_run(tmp_path / "runs" / "a-new", age_s=50)
    make_run(tmp_path / "runs" / "incomplete").joinpath("spec.json").unlink()
    assert find_run(None) == newest.relative_to(tmp_path)


def test_unfinished_run_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`har-train` writes to RUN.partial first."""
    monkeypatch.chdir(tmp_path)
    whole = make_run(tmp_path / "runs" / "mine", age_s=100)
    make_run(tmp_path / "runs" / "other.partial")
    assert find_run(None) == whole.relative_to(tmp_path)


@pytest.mark.parametrize("name", ["har15", "clips"])
def test_bundled_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = find_run(name)
    assert load_run(folder).spec.name == name
    own = make_run(tmp_path / name)
    assert find_run(name) == own.relative_to(tmp_path)


def test_spec_is_read(run: Run) -> None:
    assert run.spec.labels == ("blue", "green", "red")
    assert run.spec.clip.num_frames == 3
    assert run.model_path.is_file()


def test_broken_spec_is_refused(copied_run: Path) -> None:
    (copied_run / "spec.json").write_text("{", encoding="utf-8")
    with pytest.raises(SpecError, match=r"copied/spec.json is not valid JSON"):
        load_run(copied_run)


def test_broken_settings_are_refused(copied_run: Path) -> None:
    (copied_run / "config.toml").write_text("data", encoding="utf-8")
    with pytest.raises(DataError, match=r"config.toml is not valid TOML"):
        read_config(copied_run)


def test_data_root(run: Run, stills: Path, copied_run: Path, tmp_path: Path) -> None:
    assert run.data_root == stills
    assert load_run(copied_run, tmp_path).data_root == tmp_path
    with pytest.raises(DataError, match=r"no data folder .*gone.*--data"):
        load_run(copied_run, tmp_path / "gone")
    (copied_run / "config.toml").write_text('data = "gone"', encoding="utf-8")
    assert load_run(copied_run).data_root is None
    (copied_run / "config.toml").unlink()
    assert load_run(copied_run).data_root is None


def test_data_root_of_a_manifest(copied_run: Path, tmp_path: Path) -> None:
    (tmp_path / "list.csv").touch()
    config = copied_run / "config.toml"
    config.write_text(f'data = "{tmp_path}/list.csv"\nroot = ""\n', encoding="utf-8")
    assert load_run(copied_run).data_root == tmp_path
    config.write_text(f'data = "list.csv"\nroot = "{copied_run}"\n', encoding="utf-8")
    assert load_run(copied_run).data_root == copied_run


def test_held_out_clips(run: Run, run_folder: Path, stills: Path) -> None:
    with (run_folder / "predictions.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    clips = run.held_out(0)
    assert [(c.path, c.label, c.first_frames) for c in clips] == [
        (stills / row["path"], row["label"], (-2,)) for row in rows
    ]
    assert {c.label for c in clips} == {"blue", "green", "red"}
    few = run.held_out(2)
    assert few == [clips[0], clips[-1]]
    assert run.held_out(100) == clips


def test_held_out_files_that_are_gone_are_left_out(run_folder: Path, tmp_path: Path) -> None:
    assert load_run(run_folder, tmp_path).held_out(0) == []


def test_windows_of_a_clip_are_kept_together(copied_run: Path, stills: Path) -> None:
    lines = ["path,label,first_frame,action", "red/0.png,red,0,red", "red/0.png,red,4,red",
             "red/1.png,red,0,red"]  # fmt: skip
    (copied_run / "predictions.csv").write_text("\n".join(lines), encoding="utf-8")
    clips = load_run(copied_run, stills).held_out(0)
    assert [c.first_frames for c in clips] == [(0, 4), (0,)]


@pytest.mark.parametrize("label", ["path", "label", "first_frame", "action"])
def test_class_named_like_a_column(label: str, copied_run: Path, stills: Path) -> None:
    """The columns of `predictions.csv` end with one a class, whatever its name."""
    columns = f"path,label,first_frame,action,p({label}),p(red)"
    lines = [columns, f"red/0.png,{label},-2,red,0.25,0.75"]
    (copied_run / "predictions.csv").write_text("\n".join(lines), encoding="utf-8")
    (clip,) = load_run(copied_run, stills).held_out(0)
    assert (clip.label, clip.first_frames) == (label, (-2,))


def test_clips_to_verify_on(run: Run) -> None:
    held_out = run.held_out(3)
    for item, clip in zip(held_out, iter_clips(run, held_out), strict=True):
        assert np.array_equal(clip.frames, load_frames(item.path, run.spec.clip))
        assert clip.windows.tolist() == [[0, 0, 0]]
        assert clip.label == item.label
    (calibration,) = iter_clips(run, [])
    assert np.array_equal(calibration.frames, run.representative().frames)
    assert calibration.label == ""


@pytest.mark.parametrize(("windows", "kept"), [(1, [0]), (2, [0, 5]), (3, [0, 2, 5]), (9, None)])
def test_thinning_keeps_windows_evenly_spread(windows: int, kept: list[int] | None) -> None:
    random = np.random.default_rng(0)
    frames = np.arange(20, dtype=np.uint8).reshape(20, 1, 1, 1).repeat(3, axis=3)
    clip = LabelledClip(frames, random.integers(0, 20, (6, 4)), "red")
    found = thin(clip, windows)
    assert found.label == "red"
    expected = clip.frames[clip.windows[kept if kept is not None else slice(None)]]
    assert np.array_equal(found.frames[found.windows], expected)
    if kept is not None:  # and no frame that nobody needs
        assert sorted(set(found.windows.ravel())) == list(range(len(found.frames)))


def test_calibration_frames_may_be_fewer(run_folder: Path) -> None:
    everything = load_run(run_folder).representative()
    few = load_run(run_folder, calibration_frames=7).representative()
    assert len(few.windows) == 2  # of three frames each
    first = everything.frames[everything.windows[0]]
    assert np.array_equal(few.frames[few.windows[0]], first)
    more = load_run(run_folder, calibration_frames=100_000).representative()
    assert np.array_equal(more.windows, everything.windows)


def test_calibration_data_takes_the_place_of_the_kept_frames(
    copied_run: Path, stills: Path
) -> None:
    (copied_run / "representative.npz").write_bytes(b"")
    clip = load_run(copied_run, calibration=stills).representative()
    assert clip.frames.shape == (30, 32, 32, 3)
    assert clip.windows.tolist() == [[i] * 3 for i in range(30)]


FRAMES = np.zeros((4, 32, 32, 3), np.uint8)
WINDOWS = np.zeros((2, 3), np.int64)


def test_representative_set_is_read(copied_run: Path) -> None:
    windows = np.array([[0, 1, 3], [2, 2, 2]])
    np.savez(copied_run / "representative.npz", frames=FRAMES, windows=windows)
    clip = load_run(copied_run).representative()
    assert clip.windows.tolist() == windows.tolist()
    assert clip.frames.shape == FRAMES.shape


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"frames": FRAMES[:, :31], "windows": WINDOWS}, r"\(N, \*\(32, 32, 3\)\).*31"),
        ({"frames": FRAMES.astype(np.float32), "windows": WINDOWS}, "uint8.*float32"),
        ({"frames": FRAMES[:0], "windows": WINDOWS}, r"uint8 frames.*\(0, 32"),
        ({"frames": np.uint8(3), "windows": WINDOWS}, "uint8 frames"),
        ({"frames": FRAMES, "windows": WINDOWS[:, :2]}, r"windows of 3.*\(2, 2\)"),
        ({"frames": FRAMES, "windows": WINDOWS[0]}, r"windows of 3.*\(3,\)"),
        ({"frames": FRAMES, "windows": WINDOWS + 4}, "windows of 3"),
        ({"frames": FRAMES, "windows": WINDOWS[:0]}, "windows of 3"),
        ({"frames": FRAMES}, "windows"),
        ({"frames": np.array([None]), "windows": WINDOWS}, "cannot be read"),
    ],
)
def test_wrong_representative_set_is_refused(
    arrays: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]],
    message: str,
    copied_run: Path,
) -> None:
    np.savez(copied_run / "representative.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=f"representative.npz.*{message}"):
        load_run(copied_run).representative()


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "overwritten"])
def test_damaged_representative_set_is_refused(damage: str, copied_run: Path) -> None:
    path = copied_run / "representative.npz"
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(
        {
            "empty": b"",
            "text": b"no archive",
            "cut": content[:middle],
            "overwritten": content[:middle] + b"\xff" * 64 + content[middle + 64 :],
        }[damage]
    )
    with pytest.raises(DataError, match=r"representative.npz cannot be read"):
        load_run(copied_run).representative()
