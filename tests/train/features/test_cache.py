"""The feature cache: every frame is encoded once, and never wrongly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from har_edge.datasets import Sample
from har_edge.errors import HarError, OutputError
from har_edge.model.spec import ClipSpec
from har_edge.sources.clips import load_frames
from har_train.dataset.samples import load_dataset
from har_train.features.augment import Augmentation
from har_train.features.cache import (
    Rendering,
    View,
    _map_entry,
    cache_dataset,
    default_cache,
    encode_dataset,
)
from tests.conftest import write_video
from tests.support.full_disk import fill_disk

pytestmark = pytest.mark.train

CLIP = ClipSpec(4, 5.0, 32, 32)
MakeClip = Callable[..., Path]


class MeanColour:
    """An encoder in three lines: a frame's mean colour times a weight."""

    def __init__(self, weight: float = 1.0) -> None:
        self.weight = weight
        self.encoded = 0

    def get_weights(self) -> list[NDArray[Any]]:
        return [np.array([self.weight])]

    def predict_on_batch(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        assert len(frames) <= 32
        assert frames.dtype == np.float32
        self.encoded += len(frames)
        return frames.mean(axis=(1, 2)) * np.float32(self.weight)


class Unwanted(MeanColour):
    """An encoder that must not be called."""

    def predict_on_batch(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        raise AssertionError(f"asked to encode {len(frames)} frames")


def sample(path: Path) -> Sample:
    return Sample(path, "a", str(path))


def test_features_equal_the_plain_way(clips: Path, tmp_path: Path) -> None:
    samples = load_dataset(clips)
    done: list[int] = []
    encoded = encode_dataset(
        samples, MeanColour(2.0), Rendering(CLIP), cache=tmp_path, progress=done.append
    )
    assert [e.sample for e in encoded] == samples
    assert done == [1] * len(samples)
    for item in encoded:
        frames = load_frames(item.sample.path, CLIP)
        assert item.features.dtype == np.float32
        assert item.features.shape == (len(frames), 3)
        expected = [2 * frame.astype(float).mean(axis=(0, 1)) for frame in frames]
        assert np.abs(item.features - np.array(expected)).max() < 1e-3


def test_stills_share_batches_and_keep_their_order(stills: Path, tmp_path: Path) -> None:
    samples = [s for s in load_dataset(stills) for _ in range(6)]  # more than one batch
    encoder = MeanColour()
    encoded = encode_dataset(samples, encoder, Rendering(CLIP), cache=tmp_path)
    assert encoder.encoded == len(samples) == 48
    for item in encoded:
        expected = load_frames(item.sample.path, CLIP).mean(axis=(1, 2))
        assert np.abs(item.features - expected).max() < 1e-3


def test_second_time_nothing_is_encoded(clips: Path, tmp_path: Path) -> None:
    samples = load_dataset(clips)
    first = encode_dataset(samples, MeanColour(), Rendering(CLIP), cache=tmp_path)
    second = encode_dataset(samples, Unwanted(), Rendering(CLIP), cache=tmp_path)
    for one, two in zip(first, second, strict=True):
        assert one.sample == two.sample
        assert one.sha256 == two.sha256
        assert np.array_equal(one.features, two.features)


def test_renamed_file_and_other_window_need_no_encoding(stills: Path, tmp_path: Path) -> None:
    path = stills / "red" / "0.png"
    encode_dataset([sample(path)], MeanColour(), Rendering(CLIP), cache=tmp_path)
    renamed = path.rename(stills / "red" / "other.png")
    longer = replace(CLIP, num_frames=9)
    assert (
        len(encode_dataset([sample(renamed)], Unwanted(), Rendering(longer), cache=tmp_path)) == 1
    )


@pytest.mark.parametrize(
    ("encoder", "clip"),
    [
        (Unwanted(1.5), CLIP),
        (Unwanted(), replace(CLIP, height=33)),
        (Unwanted(), replace(CLIP, resize="crop")),
        (Unwanted(), replace(CLIP, frame_rate_hz=4.0)),
    ],
)
def test_any_change_that_matters_makes_new_entries(
    encoder: Unwanted, clip: ClipSpec, stills: Path, tmp_path: Path
) -> None:
    one = sample(stills / "red" / "0.png")
    encode_dataset([one], MeanColour(), Rendering(CLIP), cache=tmp_path)
    with pytest.raises(AssertionError, match="asked to encode 1 frames"):
        encode_dataset([one], encoder, Rendering(clip), cache=tmp_path)


def test_changed_content_makes_a_new_entry(stills: Path, tmp_path: Path) -> None:
    path = stills / "red" / "0.png"
    (first,) = encode_dataset([sample(path)], MeanColour(), Rendering(CLIP), cache=tmp_path)
    path.write_bytes((stills / "blue" / "0.png").read_bytes())
    (second,) = encode_dataset([sample(path)], MeanColour(), Rendering(CLIP), cache=tmp_path)
    assert first.sha256 != second.sha256
    assert second.features[0, 2] > first.features[0, 2]


@pytest.mark.parametrize("kept_bytes", [0, 5, 100, -1])
def test_damaged_entry_is_made_again(kept_bytes: int, stills: Path, tmp_path: Path) -> None:
    one = sample(stills / "red" / "0.png")
    (first,) = encode_dataset([one], MeanColour(), Rendering(CLIP), cache=tmp_path)
    (entry,) = tmp_path.glob("*/*.npy")
    entry.write_bytes(entry.read_bytes()[:kept_bytes])
    (again,) = encode_dataset([one], MeanColour(), Rendering(CLIP), cache=tmp_path)
    assert np.array_equal(again.features, first.features)
    encode_dataset([one], Unwanted(), Rendering(CLIP), cache=tmp_path)


def test_unreadable_files_are_skipped_and_named(
    stills: Path, make_clip: MakeClip, tmp_path: Path
) -> None:
    good = make_clip(stills / "red" / "good.mp4")
    (stills / "red" / "cut.mp4").write_bytes(good.read_bytes()[:300])
    (stills / "red" / "text.png").write_text("no picture")
    (stills / "red" / "empty.jpg").touch()
    messages: list[str] = []
    names = ["0.png", "cut.mp4", "text.png", "good.mp4", "empty.jpg", "gone.png"]
    encoded = encode_dataset(
        [sample(stills / "red" / n) for n in names],
        MeanColour(),
        Rendering(CLIP),
        cache=tmp_path,
        skipped=messages.append,
    )
    assert [e.sample.path.name for e in encoded] == ["0.png", "good.mp4"]
    assert len(messages) == 4
    for name, message in zip(["cut.mp4", "text.png", "empty.jpg", "gone.png"], messages,
                             strict=True):  # fmt: skip
        assert name in message


def test_cache_holds_nothing_unfinished(clips: Path, tmp_path: Path) -> None:
    samples = load_dataset(clips)
    encode_dataset(samples, MeanColour(), Rendering(CLIP), cache=tmp_path)
    files = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert {p.suffix for p in files} == {".npy"}
    assert len(files) == len(samples)


def test_cache_that_cannot_be_written(stills: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HarError, match="file"):
        encode_dataset(
            load_dataset(stills), MeanColour(), Rendering(CLIP), cache=tmp_path / "file" / "cache"
        )


def test_span_is_the_plain_slice_and_has_its_own_entry(make_clip: MakeClip, tmp_path: Path) -> None:
    whole = sample(make_clip(tmp_path / "a.mp4", count=20))
    spans = [(0.4, 1.0), (1.2, np.inf), (0.0, 0.6)]
    cut = [replace(whole, start_s=a, end_s=b) for a, b in spans]
    encoded = encode_dataset([whole, *cut], MeanColour(), Rendering(CLIP), cache=tmp_path / "cache")
    full = encoded[0].features
    assert len(full) == 10
    for item, expected in zip(encoded[1:], (full[2:5], full[6:], full[:3]), strict=True):
        assert np.array_equal(item.features, expected)
    assert len({item.sha256 for item in encoded}) == 4
    again = encode_dataset(cut, Unwanted(), Rendering(CLIP), cache=tmp_path / "cache")
    assert [len(item.features) for item in again] == [3, 4, 3]


def test_span_behind_the_end_is_skipped_and_named(make_clip: MakeClip, tmp_path: Path) -> None:
    late = replace(sample(make_clip(tmp_path / "a.mp4", count=20)), start_s=7.0)
    lines: list[str] = []
    assert not encode_dataset(
        [late], MeanColour(), Rendering(CLIP), cache=tmp_path / "cache", skipped=lines.append
    )
    assert "from 7 s to inf s" in lines[0]


def test_frame_rates_may_be_mixed(tmp_path: Path) -> None:
    """Clips that brighten over two seconds give the same features, whatever their rate."""
    rates = (5.0, 10.0, 23.976, 25.0, 29.97, 60.0)
    samples = []
    for rate in rates:
        grey = [60 + 60 * i / rate for i in range(round(2 * rate))]
        frames = [np.full((48, 64, 3), g, np.uint8) for g in grey]
        samples.append(sample(write_video(tmp_path / f"{rate}.mp4", frames, rate)))
    encoded = encode_dataset(samples, MeanColour(), Rendering(CLIP), cache=tmp_path / "cache")
    for rate, item in zip(rates, encoded, strict=True):
        # The first frame at or after each instant; the codec shifts grey by up to 4.
        instants_s = np.arange(10) / CLIP.frame_rate_hz
        expected = 60 + 60 * np.ceil(instants_s * rate - 0.03) / rate
        assert item.features.shape == (10, 3)
        assert np.allclose(item.features.mean(axis=1), expected, atol=5)


def test_views_are_encoded_once_and_apart(clips: Path, stills: Path, tmp_path: Path) -> None:
    samples = load_dataset(clips)[:2] + load_dataset(stills)[:1]
    views = [View(), View(1), View(2), View(1, Augmentation(seed=1)), View(1, Augmentation(0.5))]

    def encode(encoder: MeanColour, view: View) -> list[NDArray[np.float32]]:
        encoded = encode_dataset(samples, encoder, Rendering(CLIP, view), cache=tmp_path / "cache")
        return [item.features for item in encoded]

    first = [encode(MeanColour(), view) for view in views]
    for i in range(len(samples)):
        assert len({features[i].tobytes() for features in first}) == len(views)
    for view, expected in zip(views, first, strict=True):
        found = encode(Unwanted(), view)
        assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


def test_still_becomes_a_clip_and_clips_stay(clips: Path, stills: Path, tmp_path: Path) -> None:
    still, clip = load_dataset(stills)[0], load_dataset(clips)[0]
    paths = View(path_frames=4)
    encoded = encode_dataset([still, clip], MeanColour(), Rendering(CLIP, paths), cache=tmp_path)
    plain = encode_dataset([still, clip], MeanColour(), Rendering(CLIP), cache=tmp_path)
    assert [len(e.features) for e in encoded] == [4, len(plain[1].features)]
    assert len(plain[0].features) == 1
    # A clip needs no second entry, a still has one for each length of path.
    encode_dataset([clip], Unwanted(), Rendering(CLIP, paths), cache=tmp_path)
    with pytest.raises(AssertionError, match="asked to encode 5 frames"):
        encode_dataset([still], Unwanted(), Rendering(CLIP, View(path_frames=5)), cache=tmp_path)


def test_half_precision_entries_are_mapped_from_disk(clips: Path, tmp_path: Path) -> None:
    samples = load_dataset(clips)[:2]
    plain = encode_dataset(samples, MeanColour(), Rendering(CLIP), cache=tmp_path)
    half = cache_dataset(samples, MeanColour(), Rendering(CLIP, half=True), cache=tmp_path)
    for one, two in zip(plain, half, strict=True):
        maps = two.load()
        assert isinstance(maps, np.memmap)
        assert maps.dtype == np.float16
        assert two.count == len(one.features)
        assert np.array_equal(maps, one.features.astype(np.float16))


def test_full_disk_leaves_no_entry(
    stills: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_disk(monkeypatch)
    with pytest.raises(OutputError, match=r"No space left on device.*another --cache"):
        encode_dataset(
            load_dataset(stills), MeanColour(), Rendering(CLIP), cache=tmp_path / "cache"
        )
    assert not [p for p in (tmp_path / "cache").rglob("*") if p.is_file()]


def test_default_cache_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAR_CACHE_DIR", "har")
    monkeypatch.setenv("XDG_CACHE_HOME", "xdg")
    assert default_cache() == Path("har/features")
    monkeypatch.delenv("HAR_CACHE_DIR")
    assert default_cache() == Path("xdg/har-edge/features")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "home")
    assert default_cache() == Path("home/.cache/har-edge/features")


@pytest.mark.parametrize("dtype", ["|O", "|V8", "<U4", "<M8[s]", "<c8", "nonsense"])
def test_entries_that_are_no_numbers_are_refused(tmp_path: Path, dtype: str) -> None:
    path = tmp_path / "entry.npy"
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': (2,), }}".ljust(117) + "\n"
    path.write_bytes(
        b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + b"A" * 64
    )
    with pytest.raises(ValueError, match="not an entry of the cache"):
        _map_entry(path)
