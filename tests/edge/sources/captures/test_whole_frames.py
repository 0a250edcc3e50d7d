"""Frames of a damaged stream: given only if nothing that they build on is damaged."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from har_edge.sources.captures.whole_frames import KnownParameters, WholeFrames, parameter_sets

av = pytest.importorskip("av", reason="needs PyAV (pip install av)")

COUNT, KEY_INTERVAL = 40, 10
LOST = (24, "rtsp", "RTP: missed 1 packets\n")
CONCEALED = (32, "h264", "concealing 191 DC, 191 AC, 191 MV errors in P frame\n")


def encode(width: int = 64) -> list[Any]:
    """H.264 packets of a moving picture, one a frame, a key frame every tenth."""
    try:
        encoder = av.CodecContext.create("libx264", "w")
    except av.error.FFmpegError:
        pytest.skip("this PyAV has no H.264 encoder")
    encoder.width, encoder.height, encoder.pix_fmt = width, 48, "yuv420p"
    encoder.time_base, encoder.gop_size = Fraction(1, 15), KEY_INTERVAL
    encoder.options = {"tune": "zerolatency", "x264-params": "scenecut=0:repeat-headers=1"}
    pictures = np.arange(COUNT * 48 * width * 3, dtype=np.int64).reshape(COUNT, 48, width, 3) // 97
    packets = []
    for i, picture in enumerate(pictures.astype(np.uint8)):
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts = i
        packets += encoder.encode(frame)
    return packets + encoder.encode(None)


@pytest.fixture(scope="module")
def packets() -> list[Any]:
    return encode()


@pytest.fixture
def whole() -> WholeFrames:
    return whole_frames(KnownParameters())


def whole_frames(known: KnownParameters) -> WholeFrames:
    """As for a stream whose description says nothing of its parameters."""
    return WholeFrames(
        av, SimpleNamespace(codec_context=av.CodecContext.create("h264", "r")), known
    )


def altered(packet: Any) -> Any:
    """The packet, with one bit of its sequence parameter set's level changed."""
    data = bytearray(bytes(packet))
    data[data.index(b"\x00\x00\x01\x67") + 6] ^= 1
    changed = av.Packet(bytes(data))
    changed.pts, changed.is_keyframe = packet.pts, packet.is_keyframe
    return changed


def shown(whole: WholeFrames, packets: list[Any], logs: dict[int, Any] | None = None) -> list[int]:
    """Numbers of the frames that are given when `logs` were said with some of the packets."""
    frames = []
    for i, packet in enumerate(packets):
        frames += whole.decode(packet, [logs[i]] if logs and i in logs else [])
    return [frame.pts for frame in frames]


def test_all_frames_of_an_undamaged_stream_are_given(
    whole: WholeFrames, packets: list[Any]
) -> None:
    assert len(packets) == COUNT
    numbers = shown(whole, packets)
    assert numbers == list(range(len(numbers))) and len(numbers) >= COUNT - 2
    assert whole.corrupt == 0


def test_nothing_is_given_before_the_first_key_frame(
    whole: WholeFrames, packets: list[Any]
) -> None:
    assert shown(whole, packets[3:])[0] == KEY_INTERVAL
    assert whole.corrupt == 0  # a stream may be joined in its middle


@pytest.mark.parametrize("said", [LOST, CONCEALED])
def test_damage_spoils_all_up_to_the_next_key_frame(
    said: tuple[int, str, str], whole: WholeFrames, packets: list[Any]
) -> None:
    numbers = shown(whole, packets, {13: said})
    assert not set(range(13, 20)) & set(numbers)
    assert {11, 20, 21, 30} <= set(numbers)
    assert whole.corrupt == 7


def test_a_key_frame_behind_a_hole_is_not_trusted(whole: WholeFrames, packets: list[Any]) -> None:
    numbers = shown(whole, packets, {19: LOST})
    assert not set(range(19, 30)) & set(numbers)
    assert 30 in numbers


def test_what_was_read_before_a_stream_was_open_may_have_had_the_hole(packets: list[Any]) -> None:
    codec = SimpleNamespace(codec_context=av.CodecContext.create("h264", "r"))
    whole = WholeFrames(av, codec, KnownParameters(), log=[LOST])
    assert shown(whole, packets)[0] == 30


def test_a_frame_that_cannot_be_shown_spoils_those_that_build_on_it(
    whole: WholeFrames, packets: list[Any]
) -> None:
    shown(whole, packets[:13])
    whole.distrust()
    assert min(shown(whole, packets[13:])) == 20


def test_altered_parameters_are_not_believed_at_once(
    whole: WholeFrames, packets: list[Any]
) -> None:
    numbers = shown(whole, [*packets[:10], altered(packets[10]), *packets[11:]])
    assert not set(range(10, 20)) & set(numbers)
    assert {8, 20, 21} <= set(numbers)


def test_parameters_that_stay_changed_are_believed_the_second_time(
    whole: WholeFrames, packets: list[Any]
) -> None:
    wider = encode(width=96)
    frames = [f for packet in packets[:10] + wider[10:] for f in whole.decode(packet, [])]
    widths = {frame.pts: frame.width for frame in frames}
    assert widths[8] == 64
    assert not set(range(10, 20)) & set(widths)
    assert widths[20] == 96


def test_a_new_connection_knows_the_parameters_of_the_last(packets: list[Any]) -> None:
    known = KnownParameters()
    assert 0 in shown(whole_frames(known), packets[:5])
    changed = [altered(packets[0]), *packets[1:5]]
    assert shown(whole_frames(known), changed) == []
    # Connected again, they are as announced.
    assert 0 in shown(whole_frames(known), changed)


def test_lengths_of_units_are_not_taken_for_start_codes(tmp_path: Path) -> None:
    """As in RTMP and MP4: of a key frame of 360 bytes, the first are 00 00 01 68."""
    noise = np.random.default_rng(0)
    path = tmp_path / "a.flv"
    with av.open(str(path), "w") as film:
        try:
            stream = film.add_stream("libx264", rate=10)
        except ValueError:
            pytest.skip("this PyAV has no H.264 encoder")
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        stream.options = {"crf": "30", "x264-params": "keyint=1"}
        for i in range(150):
            side = 8 + i % 40
            picture = np.full((64, 64, 3), 40, np.uint8)
            picture[:side, :side] = noise.integers(0, 255, (side, side, 3))
            film.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        film.mux(stream.encode(None))
    with av.open(str(path)) as film:
        whole = WholeFrames(av, film.streams.video[0], KnownParameters())
        packets = [packet for packet in film.demux(film.streams.video[0]) if packet.size]
        assert any(parameter_sets("h264", bytes(packet)) for packet in packets)  # if one looked
        frames = [frame for packet in packets for frame in whole.decode(packet, [])]
    assert len(frames) == 150
    assert whole.corrupt == 0


def test_parameter_sets_are_found_in_byte_streams() -> None:
    sps, pps, idr = b"\x67\x42\xc0\x0d\x9a", b"\x68\xce\x3c\x80", b"\x65\x88\x84\x00\x10"
    stream = b"\x00\x00\x00\x01" + sps + b"\x00\x00\x00\x01" + pps + b"\x00\x00\x01" + idr
    assert parameter_sets("h264", stream) == {sps, pps.rstrip(b"\x00")}
    vps = b"\x40\x01\x0c"
    assert parameter_sets("hevc", b"\x00\x00\x01" + vps) == {vps}
    assert parameter_sets("mjpeg", stream) == frozenset()
    assert parameter_sets("h264", b"\x01\x42\xc0\x0d\xff\xe1") == frozenset()  # not a byte stream
