"""Texts of an upstream, as people may see them."""

from __future__ import annotations

import codecs

NAME_MAX_BYTES = 4096
"""What is kept of a desktop's name; the rest of a longer one is read and thrown away."""


def one_line(data: bytes, limit_bytes: int) -> str:
    """The text without control characters; UTF-8, or Latin-1 as in old servers.

    Args:
        data: The text as it came, already cut to at most `limit_bytes`.
        limit_bytes: Of this length it was cut, perhaps within a letter, which is then dropped.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        text = decoder.decode(data, final=len(data) < limit_bytes)
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return "".join(c if c.isprintable() else " " for c in text).strip()
