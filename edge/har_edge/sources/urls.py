"""Addresses of sources: which names are URLs, and how to print them without their passwords."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit, urlunsplit

SCHEMES = frozenset({"http", "https", "rtsp", "rtsps", "rtmp", "rtmps"})
# Query parameters by which cameras and services take secrets.
_SECRETS = "password|passwd|pwd|pass|token|key|apikey|api_key|secret|auth|signature|sig|user|usr"
# The second form is that of a password with `/`, `?` or `#` that was not percent-encoded: what
# follows the colon is no port. Such an address is of no use, but its password shall not show.
_USER_INFO = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*://)(?:[^/?#\s]*@|[^/?#\s:@\[]*:(?!\d+(?:[/?#\s]|$))\S*@)",
    re.IGNORECASE,
)
_SECRET_VALUE = re.compile(rf"(?P<name>[?&;](?:[\w.-]*_)?(?:{_SECRETS})=)[^&;#\s]*", re.IGNORECASE)


def has_scheme(name: str) -> bool:
    """Whether a name is an address, of whatever kind, and no path."""
    return re.match(r"[a-z][a-z0-9+.-]+://", name, re.IGNORECASE) is not None


def is_url(name: str) -> bool:
    """Whether a name is an address that a source can be read from."""
    scheme, separator, _ = name.partition("://")
    return bool(separator) and scheme.lower() in SCHEMES


def redact(text: str) -> str:
    """Take user names, passwords and tokens out of URLs; for everything that is printed or kept.

    Args:
        text: A URL, or a message that may quote some.

    Returns:
        The same text, with `***` in place of what is before an `@` and of the values of query
        parameters that are named like secrets.
    """
    text = _USER_INFO.sub(r"\g<scheme>***@", text)
    return _SECRET_VALUE.sub(r"\g<name>***", text)


@dataclass(frozen=True)
class Login:
    """A URL without its credentials, and these; the user is None where there are none."""

    url: str
    user: str | None
    password: str


def split_login(url: str) -> Login:
    """Take user name and password out of a URL, percent-decoded."""
    parts = urlsplit(url)
    user_info, separator, host = parts.netloc.rpartition("@")
    if not separator:
        return Login(url, None, "")
    user, _, password = user_info.partition(":")
    return Login(urlunsplit(parts._replace(netloc=host)), unquote(user), unquote(password))
