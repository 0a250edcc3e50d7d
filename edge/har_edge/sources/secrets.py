"""Which parts of an address may be a secret: user names, passwords, tokens, keys of streams.

It assumes the worst. What is hidden by mistake costs a little of a name; what is shown by mistake
is a password in logs, topics and file names.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

HIDDEN = "***"

# Names of parameters by which cameras and services take secrets: whole, or as a part of a name.
_WHOLE_NAME = re.compile(
    r"u|p|n|pwd?|psw|pas|pin|otp|u?id|sid|st|tk|key|sig|sign|hash|code|auth|user|usr|acc|account|"
    r"login|md5|hmac|digest|nonce|jwt|session|ticket|bearer"
)
_NAME_PARTS = re.compile(
    r"pass|pwd|psw|paswd|token|secret|signature|credential|username|loginus|loginpas|userid|"
    r"session|passphrase|api.?key|stream.?key|streamid|authsign|authbasic|authoriz|oauth|"
    r"hdnts|hdnea|bearer|[-_.](?:key|auth|sig|sign|user|usr|pw|id|hash|md5)$|^(?:key|auth|user)[-_.]"
)
# Parts of paths that are no key, alone or joined: what cameras call their streams.
_PLAIN_WORDS = re.compile(
    r"(?:live|stream|streaming|cam|camera|channels?|ch|main|sub|video|media|av|h26[45]|mjpeg|"
    r"mpeg4?|profile|preview|test|app|bcs|hls|index|playlist|snapshot|snap|image|img|picture|onvif|"
    r"axis|cgi|bin|sdp|stream|hd|sd|low|high|unicast|multicast|track|s|m|v|\d{1,4}|[-_.~])+",
    re.IGNORECASE,
)
_FILE_ENDING = re.compile(
    r"\.(?:cgi|jpe?g|png|sdp|m3u8|mpd|php|asp|aspx|html?|ts|mp4|flv|bcs|smp|mjpe?g|amp)$",
    re.IGNORECASE,
)
# A part of a path after which a user's name or a secret stands.
_ANNOUNCES = re.compile(
    r"(?:admin(?:istrator)?|root|user|username|guest|operator|supervisor|service|login|888888|666666|"
    r"pass(?:word|wd)?|pwd|psw|token|key|auth|secret|streamkey|stream_key)",
    re.IGNORECASE,
)
_GROUPS_OF_FOUR = re.compile(r"[a-z0-9]{4}(?:-[a-z0-9]{4}){3,}", re.IGNORECASE)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_HEX = re.compile(r"(?=.*\d)(?=.*[a-f])[0-9a-f]{12,}", re.IGNORECASE)
# Where a value in a path ends, in the manner of recorders: user=a_password=b_channel=1_stream=0.
_NEXT_FIELD = re.compile(
    r"_(?=(?:channel|chn?|stream|subtype|real_stream|user(?:name)?|password|pwd|psw|token|"
    r"type|onvif|proto)=)",
    re.IGNORECASE,
)


def is_secret_name(name: str) -> bool:
    """Whether a parameter of this name may hold a secret.

    Example:
        >>> [is_secret_name(name) for name in ("loginpas", "access_token", "monkey", "channel")]
        [True, True, False, False]
    """
    plain = unquote(unquote(name)).strip().lower()
    return bool(_WHOLE_NAME.fullmatch(plain) or _NAME_PARTS.search(plain))


def looks_random(text: str) -> bool:
    """Whether nobody would have made a text up: a key, a token, a digest.

    Example:
        >>> looks_random("9f8a7b6c5d4e3f2a"), looks_random("h264Preview_01_main")
        (True, False)
    """
    if _UUID.search(text) or _GROUPS_OF_FOUR.fullmatch(text) or text.startswith("eyJ"):
        return True
    for piece in re.split(r"[^A-Za-z0-9]+", text):
        if _HEX.fullmatch(piece) or (piece.isdigit() and len(piece) >= 16):
            return True
        changes = len(re.findall(r"(?<=\d)[A-Za-z]|(?<=[A-Za-z])\d", piece))
        cases = len(re.findall(r"(?<=[a-z])[A-Z]|(?<=[A-Z])[a-z]", piece))
        if (len(piece) >= 12 and changes >= 3) or (len(piece) >= 20 and changes + cases >= 5):
            return True
    return False


def hide_in_path(path: str, *, keyed: bool) -> str:
    """Hide what may be secret in a path.

    Args:
        path: It, from its first slash on.
        keyed: Whether its last part is a key by custom, as in RTMP.
    """
    shown: list[str] = []
    parts = path.split("/")
    for index, part in enumerate(parts):
        if part and "=" in part and (hidden := _hide_fields(part)) != part:
            shown.append(hidden)
            if hidden.endswith(HIDDEN):  # a slash may be one of the secret's characters
                break
            continue
        last = index == len(parts) - 1
        named = index > 0 and _ANNOUNCES.fullmatch(parts[index - 1]) is not None
        key = keyed and last and sum(map(bool, parts)) > 1
        shown.append(_hide_part(part, suspect=named or key))
    return "/".join(shown)


def hide_in_query(query: str) -> str:
    """Hide what may be secret in a query; `&`, `;` and `?` divide its parameters."""
    shown: list[str] = []
    after_secret = False
    for part in re.split(r"(?<=[&;?])", query):
        end = part[-1:] if part[-1:] in ("&", ";", "?") else ""
        text = part[: len(part) - len(end)]
        name, equals, value = text.partition("=")
        if equals:
            after_secret = is_secret_name(name) or looks_nested(value) or looks_random(value)
            if after_secret:
                text = f"{name}={HIDDEN}"
            elif (fields := _hide_fields(text)) != text:
                text, after_secret = fields, True
        elif text and (after_secret or _may_be_login(text) or looks_random(text)):
            # After a secret it may be the rest of one with an ampersand.
            text = HIDDEN
        shown.append(text + end)
    return "".join(shown)


def _may_be_login(text: str) -> bool:
    return ":" in unquote(text)


def looks_nested(value: str) -> bool:
    """Whether a value is an address of its own, or has what comes after a password."""
    plain = unquote(unquote(value))
    return "@" in plain or "://" in plain


def _hide_part(part: str, *, suspect: bool) -> str:
    name, colon, rest = unquote(part).partition(":")
    if colon and rest and not (name.isdigit() and rest.isdigit()):
        return HIDDEN
    plain = _PLAIN_WORDS.fullmatch(part) or _FILE_ENDING.search(part)
    if part and ((suspect and not plain) or looks_random(part)):
        return HIDDEN
    return part


def _hide_fields(part: str) -> str:
    """Hide values in a text such as `user=admin_password=secret_channel=1&stream=0`."""
    shown = []
    for piece in re.split(r"(?<=[&;,])", part):
        end = piece[-1:] if piece[-1:] in ("&", ";", ",") else ""
        fields = _NEXT_FIELD.split(piece[: len(piece) - len(end)])
        shown.append("_".join(map(_hide_field, fields)) + end)
    return "".join(shown)


def _hide_field(field: str) -> str:
    name, equals, value = field.partition("=")
    if equals and (is_secret_name(name) or looks_random(value) or looks_nested(value)):
        return f"{name}={HIDDEN}"
    return field
