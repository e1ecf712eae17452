"""The VncUrl: a bearer secret, decoded once and hidden from everything that prints.

Source: ECS API reference, DescribeInstanceVncUrl: the answer is percent-encoded once over a URL
whose `s=` value is itself encoded; it is valid for 15 s after the answer.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import NoReturn, SupportsIndex
from urllib.parse import SplitResult, quote, unquote, urlsplit

from vncproxy.addresses import is_loopback
from vncproxy.errors import CloudError, CloudErrorKind

ANSWER_MAX_CHARS = 8192
"""Far above any VncUrl seen (about 150), and short enough for a request line."""

_SCHEMES = ("ws://", "wss://")
_PRINTABLE = re.compile(r"[\x21-\x7e]+")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,252})|[0-9A-Fa-f:.]{2,45}")


class VncUrl:
    """Where one upstream connection is dialled, at once and only once.

    Its text comes out by `reveal` alone: repr, str, pickle and copy never hold it.
    """

    __slots__ = ("__text", "asked_at", "host", "port", "secure")

    def __init__(self, text: str, url: SplitResult, port: int, asked_at: float) -> None:
        self.__text = text
        self.host: str = url.hostname or ""
        self.secure: bool = url.scheme == "wss"
        self.port = port
        self.asked_at = asked_at

    @classmethod
    def decode(cls, answer: object, asked_at: float) -> VncUrl:
        """The VncUrl in the cloud's answer.

        Args:
            answer: The value of VncUrl in the JSON.
            asked_at: Monotonic seconds when it was asked for: its life is counted from there, to be
                on the safe side.

        Raises:
            CloudError: Transient; it is no usable ws:// or wss:// URL.
        """
        if not isinstance(answer, str):
            raise _unusable("it is not a text")
        if not 0 < len(answer) <= ANSWER_MAX_CHARS:
            raise _unusable("it is empty or too long")
        text = _decoded_once(answer)
        if not _PRINTABLE.fullmatch(text) or any(mark in text for mark in '\\"<>#'):
            raise _unusable("it has characters that no URL has")
        if not text.lower().startswith(_SCHEMES):
            raise _unusable("it is not a ws:// or wss:// URL")
        parts = _split(text)
        if parts is None or "@" in parts.netloc or not _HOST.fullmatch(parts.hostname or ""):
            raise _unusable("it names no proper host")
        port = _port(parts)
        if port is None:
            raise _unusable("it names no proper port")
        return cls(text, parts, port, asked_at)

    @property
    def exposed(self) -> bool:
        """Whether what goes over its connection can be read on the way: ws:// to elsewhere."""
        return not self.secure and not is_loopback(self.host)

    def reveal(self) -> str:
        """The URL itself, for the dial only."""
        return self.__text

    def expires_at(self, url_ttl_s: float) -> float:
        """When it is no longer worth dialling, in monotonic seconds."""
        return self.asked_at + url_ttl_s

    def __repr__(self) -> str:
        return "<VncUrl hidden>"

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        """Neither pickled nor copied."""
        raise TypeError("a VncUrl is neither pickled nor copied")


def official_page_url(
    prefix: str, vnc_url: VncUrl, instance_id: str, *, windows: bool, password: str | None
) -> str:
    """The address of the cloud's own console page, secrets included.

    The VncUrl goes in encoded once, which is exactly the form the cloud answered and its
    documentation shows (`vncUrl=ws%3A%2F%2F…`): the page decodes it once, and `s=` stays encoded.

    Args:
        prefix: With or without the question mark.
        vnc_url: A fresh one.
        instance_id: Whose console it is.
        windows: Whether it runs Windows, for the page's keyboard.
        password: None leaves it out.
    """
    fields = {
        "vncUrl": vnc_url.reveal(),
        "instanceId": instance_id,
        "isWindows": "true" if windows else "false",
    }
    if password is not None:
        fields["password"] = password
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in fields.items())
    if "?" not in prefix:
        return f"{prefix}?{query}"
    return prefix + ("" if prefix[-1] in "?&" else "&") + query


def _decoded_once(answer: str) -> str:
    # An answer that isn't encoded at all is taken as it is: decoding it would eat the encoding of
    # `s=`, and the gateway would see another token.
    if answer.lower().startswith(_SCHEMES):
        return answer
    text = None
    # Raised outside of the handler: a UnicodeDecodeError holds the bytes themselves.
    with suppress(UnicodeDecodeError):
        # Never unquote_plus: a plus sign belongs to the token.
        text = unquote(answer, errors="strict")
    if text is None:
        raise _unusable("it is not UTF-8")
    return text


def _split(text: str) -> SplitResult | None:
    try:
        return urlsplit(text)
    except ValueError:
        return None


def _port(parts: SplitResult) -> int | None:
    try:
        given = parts.port
    except ValueError:
        return None
    if given is None:
        return 443 if parts.scheme == "wss" else 80
    return given or None


def _unusable(why: str) -> CloudError:
    return CloudError(
        f"The cloud answered with a VncUrl that can't be used: {why}. It is asked again.",
        CloudErrorKind.TRANSIENT,
    )
