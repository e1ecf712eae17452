"""Texts of an upstream as one line."""

from __future__ import annotations

import pytest

from vncproxy.rfb.safe_text import one_line


@pytest.mark.parametrize(
    ("data", "limit", "text"),
    [
        (b" guest ", 99, "guest"),
        ("größe".encode(), 99, "größe"),
        (b"gr\xf6\xdfe", 99, "größe"),
        (b"a\x1b[31m\nb\x00", 99, "a [31m b"),
        ("größe".encode()[:3], 3, "gr"),
        ("größe".encode()[:3], 4, "gr\u00c3"),
    ],
    ids=["spaces", "UTF-8", "Latin-1", "control characters", "cut in a letter", "ends in one"],
)
def test_what_people_see(data: bytes, limit: int, text: str) -> None:
    """No control characters, and nothing of a letter that was cut."""
    assert one_line(data, limit) == text
