"""What a credential looks like in a text, for those that nobody registered."""

from __future__ import annotations

import re
from collections.abc import Iterable

HIDDEN = "[hidden]"

_NAMES = (
    "access[_-]?key[_-]?secret|access[_-]?key|api[_-]?key|client[_-]?secret|credential|passwd|"
    "password|private[_-]?key|secret|signature|ticket|token|vnc[_-]?url"
)
_HEADERS = (
    "authorization|proxy-authorization|cookie|set-cookie|x-acs-security-token|"
    "x-acs-accesskey-id|x-vncproxy-secret"
)
_SECRET_KEY = re.compile(rf"(?i)s|(?:.*[_-])?(?:{_NAMES}|{_HEADERS}|bearer|cookies)")

_QUOTE = r"\\*[\"']"
_NOT_YET = r"(?!\[hidden\])"
_END = r"\s\"'<>\\"
_PARAMETER = r"(?:(?<![a-z0-9_])|(?<=%3f)|(?<=%26)|(?<=%253f)|(?<=%2526))s"

# Each alternative keeps its one group and loses the rest of what it matches. Possessive quantifiers
# (`++`) keep `_NOT_YET` from being dodged by giving a character back; lengths are bounded where a
# hostile text could make the search quadratic.
_PATTERNS = re.compile(
    "(?i)"
    + "|".join(
        (
            # a WebSocket URL: everything after the question mark, percent-encoded or not
            rf"(wss?(?::|%(?:25)*3a)(?:/|%(?:25)*2f){{2}}[^{_END}]{{0,300}}?(?:\?|%(?:25)*3f))"
            rf"{_NOT_YET}[^{_END}]+",
            # a header, as in b'Authorization: Bearer x' or {'Cookie': 'x'}: all of its value
            rf"(\b(?:{_HEADERS})(?:{_QUOTE})?\s*[:=,]\s*+b?+(?:{_QUOTE})?+){_NOT_YET}[^\"'\r\n\\]++"
            rf"(?!{_QUOTE}\s*:)",
            # name=value in a query, a form or a log line, percent-encoded or not; "s" is the
            # VncUrl's own parameter, but "duration_s" isn't
            rf"((?:{_NAMES}|{_PARAMETER})(?:=|%(?:25)*3d)b?(?:{_QUOTE})?+)"
            rf"{_NOT_YET}[^&;,)}}\]{_END}]+",
            # "name": "value" in JSON or in the repr of a mapping; the API's action is no name, and
            # what follows a value such as "vnc-password" may be the next name, not a secret
            rf"({_QUOTE}(?!DescribeInstanceVncUrl)(?:[a-z0-9_-]{{0,40}}(?:{_NAMES})|s){_QUOTE}\s*[:,]\s*+b?{_QUOTE})"
            rf"{_NOT_YET}[^\"'\\]++(?!{_QUOTE}\s*:)",
            rf"(\bbearer\s++){_NOT_YET}[^,{_END}]+",
            # AccessKey ids, permanent and temporary, and STS tokens. Source: RAM and STS references
            r"((?<![a-z0-9]))(?:LTAI|STS\.|CAIS)[a-z0-9+/=_-]{4,}",
            # the ticket in the fragment of the page that takes it
            rf"(/enter(?:#|%23)){_NOT_YET}[^{_END}]+",
            # user and password of a proxy
            rf"(\b[a-z][a-z0-9+.-]{{0,20}}://){_NOT_YET}[^/?#@{_END}]+(?=@)",
        )
    )
)


_HINTS = (
    *("=", "%", '"', "'", "://"),
    *("authorization", "cookie", "x-acs-", "x-vncproxy-", "bearer", "ltai", "sts.", "cais"),
    *("/enter#", "wss:", "ws:"),
)
"""Every match of `_PATTERNS` has one of them in it, in whatever case."""
_HARMLESS_MAX = 1024
_HARMLESS_MAX_CHARS = 256
_harmless: set[str] = set()
"""Texts without a credential that were asked for lately, such as users' names."""


def may_hold_lookalike(text: str) -> bool:
    """Whether the text could have something in it that `hide_lookalikes` hides; no for most.

    Some fifty times cheaper than searching it.
    """
    if not text.isascii():
        # Some letters outside of ASCII match ASCII's in a search that ignores case.
        return True
    lower = text.lower()
    for hint in _HINTS:  # noqa: SIM110 - a generator costs twice as much
        if hint in lower:
            return True
    return False


def is_no_lookalike(text: str) -> bool:
    """Whether `hide_lookalikes` leaves the text as it is; short ones that it does are remembered.

    May be asked from any thread.
    """
    if text in _harmless:
        return True
    if hide_lookalikes(text) != text:
        return False
    if len(text) <= _HARMLESS_MAX_CHARS:
        if len(_harmless) >= _HARMLESS_MAX:
            _harmless.clear()
        _harmless.add(text)
    return True


def are_no_lookalikes(texts: Iterable[str]) -> bool:
    """As `is_no_lookalike`, of each of them."""
    return all(map(is_no_lookalike, set(texts) - _harmless))


def hide_lookalikes(text: str) -> str:
    """The text without what looks like a credential; the name of it stays, for the reader."""
    return _PATTERNS.sub(lambda m: f"{m.group(m.lastindex or 0)}{HIDDEN}", text)


def is_secret_key(key: object) -> bool:
    """Whether a value under this name is hidden whatever it is."""
    return isinstance(key, str) and _SECRET_KEY.fullmatch(key) is not None
