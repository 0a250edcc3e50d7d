"""Who may reach a server: addresses, and tokens that nobody guesses."""

from __future__ import annotations

import re

from har_edge.errors import ConfigError

SHORTEST_TOKEN = 8
MAKE_TOKEN = "Generate one: python3 -c 'import secrets; print(secrets.token_urlsafe())'"
# Fewer different characters are a pattern, however long it is.
LEAST_VARIETY = 5
# Alphabet, digits and rows of keyboards, whose parts are among the first that are tried.
_RUNS = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "qwertzuiop",
    "azertyuiop",
    "1qaz2wsx3edc4rfv5tgb",
    "1q2w3e4r5t6y7u8i9o0p",
)
# What lists of common passwords are made of, with numbers and signs around.
_COMMON = (
    "password passwort passw0rd pass admin administrator root user guest test testing tester "
    "secret secrets token mytoken apitoken apikey key changeme changeit letmein welcome login "
    "default example dragon monkey master shadow sunshine princess football baseball superman "
    "batman iloveyou trustno hello helloworld whatever computer internet server camera webcam "
    "raspberry raspberrypi raspbian homeassistant haredge hartoken bearer "
    "michael jennifer jordan charlie starwars pokemon freedom cheese summer winter"
)
_COMMON_WORDS = frozenset(_COMMON.split())
_LEET = str.maketrans("01345@$!", "oieasasi")


def is_loopback(host: str) -> bool:
    """Whether an address can be reached only from this machine.

    Example:
        >>> is_loopback("localhost"), is_loopback("::1"), is_loopback("0.0.0.0")
        (True, True, False)
    """
    import ipaddress

    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_token(token: str) -> None:
    """Check that a token is none of those that are tried first.

    Raises:
        ConfigError: if it is short, a pattern, or made of a common password.
    """
    if len(token) < SHORTEST_TOKEN:
        raise ConfigError(
            f"--token should have at least {SHORTEST_TOKEN} characters. Received {len(token)}. "
            f"{MAKE_TOKEN}"
        )
    if is_common(token):
        raise ConfigError(
            "--token should be one that nobody guesses. Received a pattern or a common password. "
            f"{MAKE_TOKEN}"
        )


def is_common(token: str) -> bool:
    """Whether a token is among those that are tried first.

    Example:
        >>> [is_common(t) for t in ("12345678", "P4ssw0rd!!", "qwertyuiop", "abababababab")]
        [True, True, True, True]
        >>> is_common("open-sesame")
        False
    """
    lower = token.lower()
    if len(set(lower)) < LEAST_VARIETY or _is_run(lower):
        return True
    inner = re.sub(r"^[\W\d_]+|[\W\d_]+$", "", lower)
    words = {re.sub(r"[\W\d_]+", "", text) for text in (inner, inner.translate(_LEET))}
    return any(_is_made_of_common(word) for word in words)


def _is_run(text: str) -> bool:
    """Whether a text is cut out of a run, forwards or backwards, once or again and again."""
    size = len(text)
    runs = [run * (size // len(run) + 2) for run in _RUNS]
    return any(text in run or text[::-1] in run for run in runs)


def _is_made_of_common(word: str) -> bool:
    """Whether a word is a common one, alone or with a run behind."""
    parts = [(word[:end], word[end:]) for end in range(1, len(word) + 1)]
    return not word or any(
        first in _COMMON_WORDS and (not rest or _is_run(rest)) for first, rest in parts
    )


def check_access(
    host: str, token: str | None, origins: tuple[str, ...], certificate: object, key: object
) -> None:
    """Check that not everybody in the network, or on any page, is answered.

    Args:
        host: Address to listen on.
        token: What clients must send.
        origins: Sites whose pages may use the server.
        certificate, key: Files for TLS.

    Raises:
        ConfigError: if they would be, or if the settings do not go together.
    """
    if token is not None:
        check_token(token)
    elif not is_loopback(host):
        raise ConfigError(
            f"--host {host} is reachable from other machines and needs --token (or HAR_TOKEN). "
            f"Received none. {MAKE_TOKEN}"
        )
    elif "*" in origins:
        raise ConfigError(
            "--allow-origin '*' lets any page that is open in a browser here use the server, and "
            f"needs --token (or HAR_TOKEN). Received none. {MAKE_TOKEN}"
        )
    if key is not None and certificate is None:
        raise ConfigError(
            f"--tls-key {key} belongs to a certificate. Received none. Give --tls-cert, too."
        )
