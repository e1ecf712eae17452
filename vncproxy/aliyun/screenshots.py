"""What an instance shows without a VNC session: the picture of its screen, and its boot log. Pure.

Source: ECS API reference, GetInstanceScreenshot and GetInstanceConsoleOutput. The first says that a
picture is JPG while its example is a PNG, so the first bytes decide.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from vncproxy.aliyun.errors import unreadable

PICTURE_MAX_BYTES = 16 * 1024 * 1024
BOOT_LOG_MAX_BYTES = 4 * 1024 * 1024

_SIGNATURES = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}
_TIME_FORMATS = {"%Y-%m-%d %H:%M:%S": timezone(timedelta(hours=8)), "%Y-%m-%dT%H:%M:%SZ": UTC}
"""Older pages of the reference have the second form."""
_ESCAPE_SEQUENCES = re.compile(
    # Control sequences, strings of operating-system commands and the like, and two-byte escapes.
    # Source: ECMA-48, sections 5.3 to 5.6. Each ends within a bound, or a lone ESC would eat a log.
    # ESC and a letter begin them, or one character of C1, in UTF-8 or as a byte that isn't.
    r"(?:\x1b\[|[\x9b\udc9b])[0-?]{0,64}[ -/]{0,16}[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f\udc90\udc98\udc9d-\udc9f])"
    r"[^\x07\x1b\x9c\udc9c\n]{0,256}(?:\x07|\x1b\\|[\x9c\udc9c])"
    r"|\x1b[ -/]{0,4}[0-~]"
)
_LINE_ENDS = re.compile(r"\r+\n|\r")
_CONTROLS = re.compile(
    # All but line feed and tab; and what turns the direction of text around.
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]"
)


@dataclass(frozen=True, slots=True)
class Picture:
    """The picture of a screen.

    Args:
        content: The file, at most `PICTURE_MAX_BYTES`.
        content_type: image/png or image/jpeg.
    """

    content: bytes = field(repr=False)
    content_type: str


@dataclass(frozen=True, slots=True)
class BootLog:
    """What an instance printed at its last start, restart or stop.

    Args:
        text: Lines ended by a line feed; without escape sequences and control characters.
        updated_at: The time of its last line, in UTC; None if the cloud doesn't give it.
    """

    text: str = field(repr=False)
    updated_at: datetime | None

    @property
    def size_bytes(self) -> int:
        """At most, in memory."""
        return 4 * len(self.text)


def picture_of(fields: Mapping[str, Any]) -> Picture:
    """The picture in an answer.

    Raises:
        CloudError: There is none, or it is too long, or neither PNG nor JPEG.
    """
    content = _decoded(fields.get("Screenshot"), PICTURE_MAX_BYTES)
    for signature, content_type in _SIGNATURES.items():
        if content.startswith(signature):
            return Picture(content, content_type)
    raise unreadable(200)


def boot_log_of(fields: Mapping[str, Any]) -> BootLog:
    """The boot log in an answer; an instance that has printed nothing has an empty one.

    Raises:
        CloudError: It isn't one.
    """
    content = _decoded(fields.get("ConsoleOutput") or "", BOOT_LOG_MAX_BYTES)
    return BootLog(plain_text(content), _time_of(fields.get("LastUpdateTime")))


def plain_text(content: bytes) -> str:
    """What a console printed, as text that moves no cursor and colours nothing.

    Args:
        content: UTF-8; bytes that aren't become U+FFFD.
    """
    text = _ESCAPE_SEQUENCES.sub("", content.decode("utf-8", "surrogateescape"))
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return _CONTROLS.sub("", _LINE_ENDS.sub("\n", text))


def _time_of(value: object) -> datetime | None:
    for form, zone in _TIME_FORMATS.items():
        with suppress(ValueError, OverflowError):
            return datetime.strptime(str(value), form).replace(tzinfo=zone).astimezone(UTC)
    return None


def _decoded(value: object, max_bytes: int) -> bytes:
    # Four letters for three bytes.
    if not isinstance(value, str) or len(value) > (max_bytes + 2) // 3 * 4:
        raise unreadable(200)
    try:
        return base64.b64decode(value.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise unreadable(200) from None
