"""Calibration frames from a dataset."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from har_convert.calibration import DEFAULT_FRAMES, load_calibration
from har_convert.clip import LabelledClip
from har_edge.errors import DataError, SourceError
from har_edge.frames.opencv import import_cv2
from har_edge.model.spec import ClipSpec, ModelSpec

LABELS = ("dark", "grey", "light")
LEVELS = {"dark": 20, "grey": 120, "light": 220}


def spec_of(num_frames: int = 1) -> ModelSpec:
    clip = ClipSpec(num_frames, frame_rate_hz=5.0, height=16, width=16)
    return ModelSpec("tones", LABELS, clip, feature_size=4)


def write_stills(folder: Path, count: int, level: int) -> None:
    folder.mkdir(parents=True)
    for i in range(count):
        Image.new("RGB", (20, 20), (level, level, i)).save(folder / f"{i}.png")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Very uneven classes: forty, twelve and six pictures."""
    for label, count in zip(LABELS, (40, 12, 6), strict=True):
        write_stills(tmp_path / "data" / label, count, LEVELS[label])
    return tmp_path / "data"


def classes_of(clip: LabelledClip) -> Counter[str]:
    """How many frames show which class."""
    levels = {level: label for label, level in LEVELS.items()}
    return Counter(levels[int(frame[0, 0, 0])] for frame in clip.frames)


def test_every_class_gives_the_same_number(data: Path) -> None:
    clip = load_calibration(data, spec_of(), num_frames=18)
    assert classes_of(clip) == {"dark": 6, "grey": 6, "light": 6}
    assert clip.windows.tolist() == [[i] for i in range(18)]
    assert (clip.frames.dtype, clip.frames.shape[1:]) == (np.uint8, (16, 16, 3))
    assert clip.label == ""


def test_small_classes_give_what_they_have(data: Path) -> None:
    assert DEFAULT_FRAMES / 3 > 40
    assert classes_of(load_calibration(data, spec_of())) == {"dark": 40, "grey": 12, "light": 6}


def test_no_picture_is_taken_twice_and_the_choice_is_the_same_every_time(data: Path) -> None:
    first, second = (load_calibration(data, spec_of(), num_frames=30) for _ in range(2))
    assert np.array_equal(first.frames, second.frames)
    assert len(np.unique(first.frames[:, 0, 0], axis=0)) == len(first.frames)
    # Not simply the first of each folder.
    dark = first.frames[first.frames[:, 0, 0, 0] == LEVELS["dark"]]
    names = sorted(path.name for path in (data / "dark").iterdir())
    assert {f"{i}.png" for i in dark[:, 0, 0, 2]} != set(names[: len(dark)])


def test_only_the_training_part_of_a_split_folder_is_used(data: Path, tmp_path: Path) -> None:
    (tmp_path / "split").mkdir()
    data.rename(tmp_path / "split" / "train")
    write_stills(tmp_path / "split" / "test" / "dark", 50, 99)
    clip = load_calibration(tmp_path / "split", spec_of())
    assert classes_of(clip).total() == 58


def test_manifest_with_splits(data: Path) -> None:
    rows = [f"{label}/{i}.png,{label},{'train' if i < 6 else 'test'}"
            for label in LABELS for i in range(6 if label == "light" else 12)]  # fmt: skip
    (data / "list.csv").write_text("\n".join(["path,label,split", *rows]), encoding="utf-8")
    clip = load_calibration(data / "list.csv", spec_of())
    assert classes_of(clip) == {"dark": 6, "grey": 6, "light": 6}
    assert clip.frames[:, 0, 0, 2].max() == 5


def test_manifest_without_splits(data: Path) -> None:
    rows = [f"dark/{i}.png,dark" for i in range(20)]
    (data / "list.csv").write_text("\n".join(["\ufeffpath,label", *rows]), encoding="utf-8")
    assert classes_of(load_calibration(data / "list.csv", spec_of())) == {"dark": 20}


def test_manifest_from_another_root(data: Path, tmp_path: Path) -> None:
    rows = [f"dark/{i}.png,dark" for i in range(20)]
    (tmp_path / "list.csv").write_text("\n".join(["path,label", *rows]), encoding="utf-8")
    clip = load_calibration(tmp_path / "list.csv", spec_of(), root=data)
    assert classes_of(clip) == {"dark": 20}
    with pytest.raises(DataError, match=r"list\.csv, line 2: there is no file .*--root"):
        load_calibration(tmp_path / "list.csv", spec_of())


def test_the_training_part_of_a_run(data: Path, tmp_path: Path) -> None:
    rows = [f"{label}/{i}.png,{label},{'train' if i < 6 else 'val'}" for label in LABELS
            for i in range(6 if label == "light" else 12)]  # fmt: skip
    run = tmp_path / "run"
    run.mkdir()
    (run / "split.csv").write_text("\n".join(["path,label,split", *rows]), encoding="utf-8")
    (run / "config.toml").write_text(f'data = "{data}"\n', encoding="utf-8")
    assert classes_of(load_calibration(run, spec_of())) == {"dark": 6, "grey": 6, "light": 6}


@pytest.mark.parametrize(
    "text",
    [
        "label\ndark\n",
        "path\ndark/0.png\n",
        "\x00",
        "path,label\ndark/0.png\n",
    ],
)
def test_broken_manifest_is_refused(text: str, data: Path) -> None:
    (data / "list.csv").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"list.csv"):
        load_calibration(data / "list.csv", spec_of())


def test_other_classes_are_refused(data: Path) -> None:
    write_stills(data / "blue", 1, 1)
    with pytest.raises(DataError, match=r"classes of the model: dark, grey, light. Received blue"):
        load_calibration(data, spec_of())


def test_nothing_to_calibrate_on(data: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="Received none"):
        load_calibration(tmp_path / "empty", spec_of())
    with pytest.raises(DataError, match=r"no calibration data .*gone.*--calibration"):
        load_calibration(tmp_path / "gone", spec_of())


def test_too_few_frames_are_refused(data: Path) -> None:
    with pytest.raises(DataError, match=r"at least 16 frames for calibration. Received 15"):
        load_calibration(data, spec_of(), num_frames=15)


def test_damaged_picture_is_named(data: Path) -> None:
    for path in (data / "light").iterdir():
        path.write_bytes(b"no picture")
    with pytest.raises(SourceError, match=r"light.*png"):
        load_calibration(data, spec_of())


def test_window_of_a_clip(tmp_path: Path) -> None:
    """Frames of one window follow each other at the model's rate."""
    cv2 = import_cv2()
    for label in LABELS:
        (tmp_path / label).mkdir()
        for number in range(2):
            target = str(tmp_path / label / f"{number}.avi")
            writer = cv2.VideoWriter(target, cv2.VideoWriter_fourcc(*"MJPG"), 5.0, (16, 16))
            for i in range(20):
                writer.write(np.full((16, 16, 3), 10 * i, np.uint8))
            writer.release()
    clip = load_calibration(tmp_path, spec_of(num_frames=4), num_frames=24)
    assert clip.windows.shape == (6, 4)
    assert len(clip.frames) == 24
    levels = clip.frames[clip.windows][..., 0, 0, 0].astype(int)
    assert np.abs(np.diff(levels, axis=1) - 10).max() <= 4  # MJPEG is not exact
    assert len(set(levels[:, 0].tolist())) > 1  # not always a clip's beginning


def test_only_the_span_of_a_clip_is_used(tmp_path: Path) -> None:
    """Brightness rises by 10 a frame, 5 frames a second: 1 s to 3 s is 50 to 150."""
    cv2 = import_cv2()
    writer = cv2.VideoWriter(
        str(tmp_path / "clip.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 5.0, (16, 16)
    )
    for i in range(20):
        writer.write(np.full((16, 16, 3), 10 * i, np.uint8))
    writer.release()
    rows = ["path,label,start_s,end_s", *(f"clip.avi,{label},1,3" for label in LABELS)]
    (tmp_path / "list.csv").write_text("\n".join(rows), encoding="utf-8")
    clip = load_calibration(tmp_path / "list.csv", spec_of(num_frames=8))
    assert clip.windows.shape == (3, 8)
    levels = clip.frames[..., 0, 0, 0].astype(int)
    assert 46 <= levels.min() <= levels.max() <= 154


def test_stills_for_a_model_of_clips_count_once(data: Path) -> None:
    clip = load_calibration(data, spec_of(num_frames=16), num_frames=48)
    assert len(clip.frames) >= 16
