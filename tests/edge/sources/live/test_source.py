"""What a live source makes of a device's whims: scripted captures, no real time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from har_edge.errors import SourceError, SourceLostError, SourceRefusedError
from har_edge.frames.sampling import FrameSampler
from tests.support.live_devices import BLACK, RATE_HZ, Device, Pixels, moving, picture


def test_frames_have_the_time_of_their_capture() -> None:
    device = Device(moving(10), max_retries=0)
    frames = device.frames()
    assert [f.index for f in frames] == list(range(10))
    assert [f.timestamp_s for f in frames] == pytest.approx([i / RATE_HZ for i in range(10)])
    assert [f.captured_s for f in frames] == pytest.approx(
        [1000.0 + (i + 1) / RATE_HZ for i in range(10)]
    )
    assert not any(f.after_gap for f in frames)
    assert device.states == ["live", "ended"]
    assert device.source.stats.read == 10
    assert device.captures[0].closed.is_set()


def test_only_sampled_frames_are_converted() -> None:
    device = Device(moving(50), max_retries=0)
    frames = device.frames(rate_hz=5.0)
    assert [f.index for f in frames] == list(range(0, 50, 5))
    assert device.captures[0].converted == 10
    assert device.source.stats.read == 50


def test_lost_source_comes_back_after_a_gap() -> None:
    device = Device(
        moving(5), SourceError("not there"), SourceError("not there"), moving(5, 5), max_retries=4
    )
    frames = device.frames()
    assert [f.after_gap for f in frames] == [False] * 5 + [True] + [False] * 4
    assert [f.index for f in frames] == list(range(10))
    times = [f.timestamp_s for f in frames]
    assert times == sorted(times)
    assert device.states == ["live", "lost", "live", "lost", "ended"]
    assert device.source.stats.reconnects == 1
    # Three attempts until it is back, then four in vain, each after a longer wait than before.
    assert len(device.clock.slept) == 3 + 4
    assert 0.25 <= device.clock.slept[0] <= 0.5 and device.clock.slept[3] <= 0.5


def test_lost_for_good_is_an_error_with_code_4() -> None:
    device = Device(moving(3), max_retries=2)
    with pytest.raises(SourceLostError, match="did not come back in 2 attempts") as error:
        list(device.source.frames(FrameSampler(1e3)))
    assert error.value.exit_code == 4
    assert device.states == ["live", "lost", "ended"]


def test_missing_at_the_start_is_an_error_at_once() -> None:
    device = Device(SourceError("Camera 0 does not exist."))
    with pytest.raises(SourceError, match="does not exist"):
        list(device.source.frames(FrameSampler(1e3)))
    assert device.clock.slept == []


def test_missing_at_the_start_can_be_waited_for() -> None:
    device = Device(*[SourceError("not there")] * 5, moving(3), wait_for_source=True, max_retries=9)
    frames = device.frames()
    assert len(frames) == 3
    assert device.states[:2] == ["lost", "live"]
    assert device.source.stats.reconnects == 0


def test_refused_login_is_not_repeated() -> None:
    device = Device(SourceRefusedError("wrong password"), wait_for_source=True)
    with pytest.raises(SourceRefusedError):
        list(device.source.frames(FrameSampler(1e3)))
    assert device.clock.slept == []


def test_refused_later_is_tried_soon_at_first_then_rarely() -> None:
    refusals = [SourceRefusedError("changed")] * 6
    device = Device(moving(3), *refusals, moving(3), max_retries=7)
    assert len(device.frames()) == 6
    waits_s = device.clock.slept[:7]
    assert max(waits_s[:5]) <= 3.0
    assert waits_s[5:] == [30.0, 30.0]


def test_frozen_picture_is_withheld_until_it_changes() -> None:
    still = picture(7)
    device = Device(
        [*moving(5), *[still] * 200, *moving(5, 20)], max_retries=0, frozen_after_s=4.99
    )
    frames = device.frames()
    # Five seconds at 25 frames/s are taken for a quiet scene, the rest is withheld.
    assert len(frames) == 5 + 125 + 5
    assert device.source.stats.frozen == 75
    assert [f.after_gap for f in frames] == [False] * 130 + [True] + [False] * 4
    assert device.states == ["live", "frozen", "live", "ended"]


def test_frozen_detection_can_be_off() -> None:
    device = Device([picture(7)] * 400, max_retries=0, frozen_after_s=0.0)
    assert len(device.frames()) == 400


def test_quiet_scene_with_a_sensors_noise_is_not_frozen() -> None:
    rng = np.random.default_rng(0)
    quiet = []
    for _ in range(300):
        pixels = picture(7)
        pixels[rng.integers(24), rng.integers(32)] += 1
        quiet.append(pixels)
    device = Device(quiet, max_retries=0)
    assert len(device.frames()) == 300


def test_black_pictures_are_withheld() -> None:
    device = Device([*moving(5), *[BLACK] * 50, *moving(5, 20)], max_retries=0)
    frames = device.frames()
    assert len(frames) > 8
    assert device.source.stats.black == 50
    assert [f.after_gap for f in frames] == [False] * 5 + [True] + [False] * 4
    assert device.states == ["live", "black", "live", "ended"]


def test_single_black_pictures_are_withheld_without_a_word() -> None:
    device = Device([*moving(5), BLACK, *moving(5, 20)], max_retries=0)
    assert [f.after_gap for f in device.frames()] == [False] * 5 + [True] + [False] * 4
    assert device.states == ["live", "ended"]


def test_dark_picture_with_a_light_is_not_black() -> None:
    dark = BLACK.copy()
    dark[8:14, 8:14] = 60
    device = Device([dark, *moving(3)], max_retries=0)
    assert len(device.frames()) == 4


def test_changed_size_is_noted_and_starts_anew() -> None:
    large = [picture(i, (64, 48)) for i in range(5)]
    device = Device([*moving(5), *large], max_retries=0)
    frames = device.frames()
    assert [f.after_gap for f in frames] == [False] * 5 + [True] + [False] * 4
    assert frames[-1].pixels.shape == (48, 64, 3)
    assert "32x24 to 64x48" in device.statuses[1].detail


def test_damaged_frame_is_counted_and_the_next_one_taken_instead() -> None:
    pixels: list[Pixels | None] = [*moving(5), None, None, *moving(13, 5)]
    device = Device(pixels, max_retries=0)
    frames = device.frames(rate_hz=5.0)
    assert device.source.stats.corrupt == 2
    # The frame at 0.2 s is damaged, so is the next; the one after that stands in for them.
    assert [round(f.timestamp_s * RATE_HZ) for f in frames] == [0, 7, 10, 15]


def test_hole_in_a_connection_is_a_gap() -> None:
    device = Device([*moving(5), 1.5, *moving(5, 5)], max_retries=0)
    # The first one after it may have waited as long, so it is passed over.
    assert [f.after_gap for f in device.frames()] == [False] * 5 + [True] + [False] * 3
    assert device.source.stats.dropped == 1


def test_slow_camera_is_no_row_of_gaps() -> None:
    steps: list[Any] = []
    for pixels in moving(12):
        steps += [2.0, pixels]
    frames = Device(steps, max_retries=0).frames()
    assert not any(f.after_gap for f in frames[4:])


def test_few_predictions_are_no_row_of_gaps() -> None:
    """One frame in 25 s because no more are wanted; an outage of minutes is a gap all the same."""
    steps: list[Any] = []
    for pixels in moving(60):
        steps += [2.0, pixels]
    frames = Device([*steps, 300.0, *steps], max_retries=0).frames(rate_hz=0.04)
    assert len(frames) > 8
    assert [f.after_gap for f in frames].count(True) == 1


def test_sampler_does_not_take_an_outage_for_a_slow_source() -> None:
    device = Device(moving(100), *[SourceError("x")] * 20, moving(100), max_retries=30)
    sampler = FrameSampler(5.0)
    with pytest.raises(SourceLostError):
        for _ in device.source.frames(sampler):
            assert not sampler.source_is_slow
