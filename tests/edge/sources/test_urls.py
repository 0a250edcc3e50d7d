"""Addresses, and what of them may be seen."""

from __future__ import annotations

import pytest

from har_edge.sources.urls import Login, is_url, redact, split_login


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://cam/live", "rtsp://cam/live"),
        ("rtsp://admin:geheim@cam:554/live?x=1", "rtsp://***@cam:554/live?x=1"),
        ("http://admin@cam/", "http://***@cam/"),
        ("RTSP://a:p@ss@cam/", "RTSP://***@cam/"),
        ("rtsp://a:p%40ss:word@[::1]/", "rtsp://***@[::1]/"),
        ("http://cam/v?user=joe&pwd=geheim&w=640", "http://cam/v?user=***&pwd=***&w=640"),
        ("http://cam/v?access_token=geheim#x", "http://cam/v?access_token=***#x"),
        ("http://cam/v?monkey=1&author=2", "http://cam/v?monkey=1&author=2"),
        ("http://cam/a@b", "http://cam/a@b"),
        ("http://cam:8080/a@b", "http://cam:8080/a@b"),
        ("http://[::1]:80/a:c@b", "http://[::1]:80/a:c@b"),
        ("rtsp://admin:#geheim@cam/live", "rtsp://***@cam/live"),
        ("rtsp://admin:p1/ge?heim@cam:554/live", "rtsp://***@cam:554/live"),
        ("cannot open rtsp://a:b@c/d: no route", "cannot open rtsp://***@c/d: no route"),
    ],
)
def test_credentials_are_not_shown(url: str, shown: str) -> None:
    assert redact(url) == shown


def test_login_is_taken_out_and_decoded() -> None:
    assert split_login("http://a%20b:p%40:q@cam:80/x?y") == Login(
        "http://cam:80/x?y", "a b", "p@:q"
    )
    assert split_login("http://cam/x") == Login("http://cam/x", None, "")


def test_what_is_a_url() -> None:
    assert is_url("rtsp://cam") and is_url("HTTPS://cam/x") and is_url("rtmp://cam/x")
    assert not any(map(is_url, ("cam", "file:///x", "camera:0", "C://x", "/rtsp:/x", "")))
