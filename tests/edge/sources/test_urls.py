"""Addresses, and what of them may be seen."""

from __future__ import annotations

import pytest

from har_edge.errors import SourceError
from har_edge.sources.captures.hosts import check_host
from har_edge.sources.open import open_source
from har_edge.sources.urls import (
    Login,
    check_address,
    has_scheme,
    is_url,
    redact,
    redact_name,
    split_login,
)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://cam/live", "rtsp://cam/live"),
        ("rtsp://admin:geheim@cam:554/live?x=1", "rtsp://***@cam:554/live?x=1"),
        ("http://admin@cam/", "http://***@cam/"),
        ("RTSP://a:p@ss@cam/", "RTSP://***@cam/"),
        ("rtsp://a:p%40ss:word@[::1]/", "rtsp://***@[::1]/"),
        ("http://cam/v?user=joe&pwd=geheim&w=640", "http://cam/v?user=***&pwd=***&w=640"),
        ("http://cam/v?access_token=geheim#x", "http://cam/v?access_token=***"),
        ("http://cam/v?monkey=1&author=2", "http://cam/v?monkey=1&author=2"),
        ("http://cam/a@b", "http://cam/a@b"),
        ("http://cam:8080/a@b", "http://cam:8080/a@b"),
        ("http://[::1]:80/a:c@b", "http://[::1]:80/***"),
        ("rtsp://admin:#geheim@cam/live", "rtsp://***@cam/live"),
        ("rtsp://admin:p1/ge?heim@cam:554/live", "rtsp://***@cam:554/live"),
        ("cannot open rtsp://a:b@c/d: no route", "cannot open rtsp://***@c/d: no route"),
    ],
)
def test_credentials_are_not_shown(url: str, shown: str) -> None:
    assert redact(url) == shown


# Each holds a password, a token or a key with "geheim" in it, or pieces of one named beside it.
SPELLINGS: list[tuple[str, str, tuple[str, ...]]] = [
    # Login before the host, encoded or not.
    ("rtsp://admin:geheim@10.0.0.9:554/h264", "rtsp://***@10.0.0.9:554/h264", ()),
    ("rtsp://admin:p@geheim@10.0.0.9/h264", "rtsp://***@10.0.0.9/h264", ("p@",)),
    ("rtsp://admin:geheim#1@10.0.0.9/h264", "rtsp://***@10.0.0.9/h264", ("#1",)),
    ("rtsp://admin:geheim?x@10.0.0.9/h", "rtsp://***@10.0.0.9/h", ("?x",)),
    ("rtsp://admin:ge/heim@10.0.0.9/h", "rtsp://***@10.0.0.9/h", ("heim",)),
    ("rtsp://admin:p@ge#heim@127.0.0.1:9/h264", "rtsp://***@127.0.0.1:9/h264", ("heim",)),
    ("rtsp://admin:p@ge?heim@cam.lan/h264", "rtsp://***@cam.lan/h264", ("heim",)),
    ("rtsp://admin:p@ge/heim@cam/h264", "rtsp://***@cam/h264", ("heim",)),
    ("rtsp://admin:ge heim@cam/h264", "rtsp://***@cam/h264", ("heim",)),
    ("rtsp://ad min:p@ge heim@cam/h264", "rtsp://***@cam/h264", ("heim",)),
    ("rtsp://admin:12/geheim@10.0.0.9/h", "rtsp://***@10.0.0.9/h", ("12",)),
    ("rtsp://admin:ge\\heim@cam/h264", "rtsp://***@cam/h264", ("heim",)),
    ("rtsp://geheim@cam/h264", "rtsp://***@cam/h264", ()),
    ("rtsp://:geheim@cam/h264", "rtsp://***@cam/h264", ()),
    ("rtsp://admin%3Ageheim%40cam/h264", "rtsp://***@cam/h264", ()),
    ("rtsp://admin:geheim", "rtsp://***", ()),
    ("rtsp:/admin:geheim@cam/h264", "rtsp:/***@cam/h264", ()),
    ("rtsp:\\\\admin:geheim@cam/h264", "rtsp:\\\\***@cam/h264", ()),
    ("RTSP://Admin:Geheim@CAM/H264", "RTSP://***@CAM/H264", ("Geheim",)),
    ("rtsp://admin:[geheim]@cam/h264", "rtsp://***@cam/h264", ()),
    # Fields in the path, as recorders have them.
    (
        "rtsp://cam:554/user=admin_password=geheim_channel=1_stream=0.sdp?real_stream",
        "rtsp://cam:554/user=***_password=***_channel=1_stream=0.sdp?real_stream",
        ("admin",),
    ),
    (
        "rtsp://cam/user=a_password=ge_heim_channel=2",
        "rtsp://cam/user=***_password=***_channel=2",
        ("heim",),
    ),
    (
        "rtsp://cam/user=a&password=geheim&channel=1",
        "rtsp://cam/user=***&password=***&channel=1",
        (),
    ),
    ("rtsp://cam/password=ge/heim", "rtsp://cam/password=***", ("heim",)),
    ("http://cam/x;password=geheim", "http://cam/x;password=***", ()),
    ("rtsp://cam/admin/geheim/ch1", "rtsp://cam/admin/***/ch1", ()),
    ("rtsp://cam/admin:geheim/ch1", "rtsp://cam/***/ch1", ()),
    ("rtsp://cam/token/geheim/ch1", "rtsp://cam/token/***/ch1", ()),
    # Parameters.
    (
        "http://cam/i.cgi?loginuse=admin&loginpas=geheim",
        "http://cam/i.cgi?loginuse=***&loginpas=***",
        ("admin",),
    ),
    ("http://cam/i.cgi?usr=joe&psw=geheim", "http://cam/i.cgi?usr=***&psw=***", ("joe",)),
    ("http://cam/i?u=joe&p=geheim", "http://cam/i?u=***&p=***", ("joe",)),
    ("http://cam/i?PASS=geheim", "http://cam/i?PASS=***", ()),
    ("http://cam/i?passphrase=geheim&w=1", "http://cam/i?passphrase=***&w=1", ()),
    ("http://cam/i?pass%77ord=geheim", "http://cam/i?pass%77ord=***", ()),
    ("http://cam/i?authbasic=YWRtaW46Z2VoZWlt", "http://cam/i?authbasic=***", ("YWRt",)),
    ("http://cam/i?access_token=geheim", "http://cam/i?access_token=***", ()),
    ("http://cam/i?api-key=geheim", "http://cam/i?api-key=***", ()),
    ("http://cam/s.m3u8?X-Amz-Signature=geheim", "http://cam/s.m3u8?X-Amz-Signature=***", ()),
    ("http://cam/i?pwd=ge&heim&w=1", "http://cam/i?pwd=***&***&w=1", ("heim",)),
    ("http://cam/i?pwd=ge#heim", "http://cam/i?pwd=***", ("heim",)),
    ("http://cam/i?pwd=ge?heim", "http://cam/i?pwd=***?***", ("heim",)),
    ("http://cam/i?admin:geheim", "http://cam/i?***", ()),
    ("http://cam/i?src=rtsp://a:geheim@b/", "http://cam/i?src=***", ()),
    ("http://cam/i?src=rtsp%3A%2F%2Fa%3Ageheim%40b", "http://cam/i?src=***", ()),
    ("http://cam/i?v=9f8a7b6c5d4e3f2a", "http://cam/i?v=***", ("9f8a",)),
    ("http://cam/i#token=geheim", "http://cam/i#token=***", ()),
    # Keys of streams.
    ("rtmp://a.example.org/live2/geheim", "rtmp://a.example.org/live2/***", ()),
    ("rtmp://a.example.org/app/x1y2-3geh-eim4-5z6a", "rtmp://a.example.org/app/***", ("eim4",)),
    (
        "https://cam/hls/0b5c7f4e-1111-4222-8333-abcdefabcdef/index.m3u8",
        "https://cam/hls/***/index.m3u8",
        ("0b5c",),
    ),
    # Without a scheme: a name that is mistaken for a file is printed, too.
    ("admin:geheim@cam/h264", "***@cam/h264", ()),
    ("rtsp:admin:geheim@cam/h264", "***@cam/h264", ()),
    ("//admin:ge/heim@cam/h264", "***@cam/h264", ("heim",)),
]


@pytest.mark.parametrize(("url", "shown", "pieces"), SPELLINGS)
def test_no_spelling_of_a_secret_is_shown(url: str, shown: str, pieces: tuple[str, ...]) -> None:
    printed = redact_name(url)
    assert printed == shown
    assert not any(piece in printed for piece in ("geheim", *pieces))
    # A message may quote it, and has the same to hide.
    if has_scheme(url) and "\\" not in url:
        assert not any(p in redact(f"no route to {url}") for p in ("geheim", *pieces))


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://10.0.0.9:554/Streaming/Channels/101?transportmode=unicast&profile=Profile_1",
        "rtsp://cam.lan/cam/realmonitor?channel=1&subtype=0",
        "rtsp://cam/h264Preview_01_main",
        "rtsp://cam/onvif1",
        "rtsp://[fe80::1]:554/axis-media/media.amp?videocodec=h264&resolution=640x480",
        "rtmp://cam/bcs/channel0_main.bcs?channel=0&stream=0",
        "http://cam:8080/?action=stream",
        "https://youtube.com/@name/live",
        "rtsp://cam/ONVIFMediaProfile1",
        "photo@home.jpg",
        "a:b.mp4",
    ],
)
def test_what_is_no_secret_names_the_source(url: str) -> None:
    assert redact_name(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://a:p/geheim@10.0.0.9/h",
        "rtsp://a:#geheim@cam/h",
        "http://a:ge heim@cam/h",
        "rtsp://a:p@geheim#1@cam",
        "rtsp://a:1#geheim@cam.lan/h264",
        "rtsp://a:p@geheim?1@cam/h264",
        "rtsp://a:p@geheim/1@192.168.1.5:554/h264",
    ],
)
def test_a_password_that_should_be_encoded_is_explained(url: str) -> None:
    with pytest.raises(SourceError, match="%40 %2F %3F %23") as caught:
        check_address(url)
    assert "heim" not in str(caught.value)
    with pytest.raises(SourceError, match="%40 %2F %3F %23"):
        open_source(url)


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://a:p%40geheim%231@cam/h264",
        "http://a:p@cam/pictures/front@2x.jpg",
        "http://a:p@cam.lan/proxy@10.0.0.9/",
        "http://cam/send?to=me@example.org",
        "https://youtube.com/@name/live#top",
    ],
)
def test_an_at_sign_elsewhere_is_no_password(url: str) -> None:
    check_address(url)


def test_a_piece_of_a_password_is_not_looked_up_and_named_as_a_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", refuse)
    with pytest.raises(SourceError, match="%23") as caught:
        check_host("rtsp://admin:p@geheim#1@127.0.0.1:9/h264")
    assert "geheim" not in str(caught.value)
    with pytest.raises(SourceError, match="there is no host 'gone'"):
        check_host("rtsp://admin:p%40ss@gone/h264")


def test_login_is_taken_out_and_decoded() -> None:
    assert split_login("http://a%20b:p%40:q@cam:80/x?y") == Login(
        "http://cam:80/x?y", "a b", "p@:q"
    )
    assert split_login("http://cam/x") == Login("http://cam/x", None, "")


def test_what_is_a_url() -> None:
    assert is_url("rtsp://cam") and is_url("HTTPS://cam/x") and is_url("rtmp://cam/x")
    assert not any(map(is_url, ("cam", "file:///x", "camera:0", "C://x", "/rtsp:/x", "")))
