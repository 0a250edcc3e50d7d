"""Who may reach a server: no token that is guessed, nobody who was not asked."""

from __future__ import annotations

import secrets

import pytest

from har_edge.access import is_common
from har_edge.config import ServeConfig
from har_edge.errors import ConfigError


@pytest.mark.parametrize(
    "token",
    [
        "12345678",
        "87654321",
        "1234567890123456",
        "passwort",
        "Password1",
        "p@ssw0rd!",
        "PASSWORD123!",
        "changeme",
        "change-me-123",
        "letmein99",
        "raspberry",
        "qwertyuiop",
        "1q2w3e4r",
        "aaaaaaaaaaaa",
        "abcabcabcabc",
        "abcdefgh",
        "har-edge",
        "20240101",
        "________",
        "admin-abcdef",
    ],
)
def test_what_is_tried_first_is_no_token(token: str) -> None:
    assert is_common(token)
    with pytest.raises(ConfigError, match="token_urlsafe") as error:
        ServeConfig(token=token)
    assert token not in str(error.value)


def test_what_is_made_at_random_is_one() -> None:
    tokens = [secrets.token_urlsafe(size) for size in (9, 16, 32) for _ in range(200)]
    assert [token for token in tokens if is_common(token)] == []
    for token in ("open-sesame", "long enough", "correct horse battery staple", "kaffee-um-9"):
        assert not is_common(token)


def test_any_page_needs_a_token() -> None:
    with pytest.raises(ConfigError, match=r"--allow-origin '\*'.*needs --token"):
        ServeConfig(allow_origins=("https://home.example", "*"))
    assert ServeConfig(allow_origins=("*",), token="open-sesame").allow_origins == ("*",)


def test_a_key_belongs_to_a_certificate() -> None:
    with pytest.raises(ConfigError, match="--tls-cert"):
        ServeConfig(tls_key="key.pem")
