"""Addresses of sources: which names are URLs, and how to print them without their passwords."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit, urlunsplit

from har_edge.errors import SourceError
from har_edge.sources.secrets import hide_in_path, hide_in_query

SCHEMES = frozenset({"http", "https", "rtsp", "rtsps", "rtmp", "rtmps"})
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:[/\\]{1,3}", re.IGNORECASE)
# In other text an address ends with a blank or a quotation mark.
_WORD_END = re.compile(r"[\s'\"<>]")
_HOST = r"(?:\[[0-9a-f:.%]+\]|[^\s/?#:@\[\]]+)"
_HOST_AND_PORT = re.compile(rf"(?P<host>{_HOST})?(?::\d{{0,5}})?", re.IGNORECASE)
_IP = re.compile(r"\[[0-9a-f:.%]+\]|\d{1,3}(?:\.\d{1,3}){3}|localhost", re.IGNORECASE)
# What stands behind an `@` in a path, if that ends a password which was not encoded.
_LIKE_HOST = re.compile(
    r"(?:\[|[\w-]+(?:\.[\w-]+)+|localhost|[\w-]+:\d{1,5})(?:[:/?#]|$|\d)", re.IGNORECASE
)
_LOGIN_WITHOUT_SCHEME = re.compile(r"(?:[\w+.-]*:)?[\\/]*[^\s/@:]+:[^@]*@", re.IGNORECASE)
_ENCODE = (
    "If user or password hold one of @ / ? # : % or a blank, write %40 %2F %3F %23 %3A %25 or %20 "
    "in its place."
)


def has_scheme(name: str) -> bool:
    """Whether a name is an address, of whatever kind, and no path."""
    return re.match(r"[a-z][a-z0-9+.-]+://", name, re.IGNORECASE) is not None


def is_url(name: str) -> bool:
    """Whether a name is an address that a source can be read from."""
    scheme, separator, _ = name.partition("://")
    return bool(separator) and scheme.lower() in SCHEMES


def lower_scheme(url: str) -> str:
    """Spell the scheme of an address as FFmpeg knows it; a browser would take capitals, too.

    Example:
        >>> lower_scheme("RTSP://Cam/Live")
        'rtsp://Cam/Live'
    """
    scheme, separator, rest = url.partition("://")
    return f"{scheme.lower()}{separator}{rest}"


def redact(text: str) -> str:
    """Take user names, passwords, tokens and keys out of URLs; for all that is printed or kept.

    Args:
        text: A URL, which may hold blanks that should be encoded, or a message that quotes some.

    Returns:
        The same text, with `***` in place of what may be a secret: all before the last `@` that
        may end a password, values of parameters, and parts of paths.

    Example:
        >>> redact("rtsp://admin:p@ss#1@cam/h264?channel=1&token=abc")
        'rtsp://***@cam/h264?channel=1&token=***'
    """
    found = _SCHEME.search(text)
    if found is None:
        return text
    before, scheme, rest = text[: found.start()], found[0], text[found.end() :]
    end = len(rest) if not before.strip() and has_scheme(text.lstrip()) else _end_of_word(rest)
    return f"{before}{scheme}{_hide_address(scheme, rest[:end])}{redact(rest[end:])}"


def redact_name(name: str) -> str:
    """Take secrets out of what a user named a source, be it an address without its scheme.

    Example:
        >>> redact_name("admin:geheim@cam/live"), redact_name("photo@home.jpg")
        ('***@cam/live', 'photo@home.jpg')
    """
    if _SCHEME.search(name):
        return redact(name)
    if _LOGIN_WITHOUT_SCHEME.match(name):
        return f"***@{_hide_rest('', name.rpartition('@')[2])}"
    return name


def encoding_advice(url: str) -> str:
    """Say how to write an address whose user or password seem not to be percent-encoded; else "".

    Example:
        >>> encoding_advice("rtsp://admin:p@ss#1@cam/h264")[:40]
        'If user or password hold one of @ / ? # '
        >>> encoding_advice("rtsp://admin:p%40ss@cam/h264")
        ''
    """
    rest = url.partition("://")[2]
    authority = re.split(r"[/?#\\\s]", rest, maxsplit=1)[0]
    login, at, host = rest[: _login_end(rest)], "@" in authority, authority.rpartition("@")[2]
    unclear = len(login) > len(authority.rpartition("@")[0]) + at
    odd = re.search(r"[\s@%]", re.sub(r"%[0-9a-f]{2}", "", login[:-1], flags=re.IGNORECASE))
    return _ENCODE if unclear or odd or not _HOST_AND_PORT.fullmatch(host) else ""


def check_address(url: str) -> None:
    """Refuse an address that cannot be split into login, host and path, before anybody asks for it.

    Part of a password would be looked up as a host, and stand in the error, else.

    Raises:
        SourceError: with what to write in its place; no secret is in it.
    """
    rest = url.partition("://")[2]
    authority = re.split(r"[/?#\\]", rest, maxsplit=1)[0]
    host = authority.rpartition("@")[2]
    cut = (authority.endswith(":") and "@" in rest) or _is_in_a_password(rest, authority)
    if cut or not _HOST_AND_PORT.fullmatch(host) or re.search(r"\s", authority):
        raise SourceError(
            f"{redact(url)} is no address that can be read: expected HOST or HOST:PORT behind the "
            f"scheme and the login. {_ENCODE}"
        )


def _is_in_a_password(rest: str, authority: str) -> bool:
    """Whether what ends the host for a parser can only be a character of a password.

    A fragment behind the host is for no server, and one with an `@` for nobody; so is a query
    without any name. A path may hold an `@`, but before an IP address hardly any does.
    """
    mark, behind = rest[len(authority) :][:1], rest[len(authority) + 1 :]
    before, at, host = behind.rpartition("@")
    if not at:
        return False
    if mark == "/":
        plain = _HOST_AND_PORT.match(host)
        known = plain is not None and _IP.fullmatch(plain["host"] or "") is not None
        own = authority.rpartition("@")[2]
        return known and "@" in authority and "." not in own and ":" not in own
    return mark == "#" or (mark == "?" and "=" not in before)


def _end_of_word(rest: str) -> int:
    """Where an address in a message ends; a blank in a password does not end it."""
    end = found.start() if (found := _WORD_END.search(rest)) else len(rest)
    end = len(rest[:end].rstrip(".,:;)"))
    line = re.split(r"\n|[a-z][a-z0-9+.-]*://", rest, maxsplit=1, flags=re.IGNORECASE)[0]
    authority = re.split(r"[/?#]", rest[:end], maxsplit=1)[0]
    plain = _HOST_AND_PORT.fullmatch(authority.rpartition("@")[2].rstrip(".,;:)"))
    blank_in_user = authority == rest[:end] and re.match(r"\s[^\s:/@]*:[^@]*@", line[end:])
    if "@" in line[end:] and ("@" in authority or not plain or blank_in_user):
        last = line.rindex("@")
        found = _WORD_END.search(rest, last)
        return found.start() if found else len(rest)
    return end


def _hide_address(scheme: str, rest: str) -> str:
    end = _login_end(rest)
    if end == 0 and re.search(r"%40", re.split(r"[/?#]", rest, maxsplit=1)[0], re.IGNORECASE):
        end = rest.lower().index("%40") + 3  # an `@` that was encoded with all the rest
    login = "***@" if end else ""
    return login + _hide_rest(scheme, rest[end:])


def _hide_rest(scheme: str, rest: str) -> str:
    """Hide what may be secret in host, path, query and fragment."""
    found = re.match(
        r"(?P<host>[^/?#]*)(?P<path>[^?#]*)(?P<query>[^#]*)(?P<fragment>.*)", rest, re.S
    )
    host, path, query, fragment = found.groups() if found else (rest, "", "", "")
    if (login := re.match(r"[^:\[\s]+:", host)) and not re.match(
        r"\d{0,5}(?!\w)", host[login.end() :]
    ):
        # No `@` came to end this password.
        host = "***"
    shown = hide_in_path(path, keyed=scheme.lower().startswith("rtmp"))
    hidden = shown != path
    if query:
        asked = "?" + hide_in_query(query[1:])
        hidden = asked.endswith("***") or (hidden and asked == query)
        shown += asked
    # Not every program parts with a fragment: it may be the end of a secret.
    if fragment and not hidden:
        shown += "#" + hide_in_query(fragment[1:])
    return host + shown


def _login_end(rest: str) -> int:
    """How much of what follows a scheme may be user and password, with the `@`."""
    last = rest.rfind("@") + 1
    if not last:
        return 0
    authority = re.split(r"[/?#\\\s]", rest, maxsplit=1)[0]
    if "@" in authority:
        return last if _is_login(rest, authority, last) else authority.rindex("@") + 1
    clean = _HOST_AND_PORT.fullmatch(authority)
    blank = re.search(r"^[^/?#]*\s[^/?#]*@", rest)
    if (
        clean
        and not authority.endswith(":")
        and not blank
        and (_IP.fullmatch(clean["host"] or "") or not _LIKE_HOST.match(rest[last:]))
    ):
        return 0
    return last


def _is_login(rest: str, authority: str, last: int) -> bool:
    """Whether a later `@` than that of the authority may end the password.

    One in the value of a parameter does not, if the host before it is certain.
    """
    host = _HOST_AND_PORT.fullmatch(authority.rpartition("@")[2])
    certain = host is not None and _IP.fullmatch(host["host"] or "") is not None
    return last > authority.rindex("@") + 1 and not certain


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
