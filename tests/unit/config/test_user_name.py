"""What a user may be called."""

from __future__ import annotations

import pytest

from vncproxy.config.user_name import is_user_name


@pytest.mark.parametrize("text", ["ann", "ann@example.com", "Ann Example", "é", "李", "a" * 255])
def test_names(text: str) -> None:
    """What a directory may call people."""
    assert is_user_name(text)
    for other in (f"{text}\n", f"@{text}", f" {text}", f"{text} ", f"{text},root", text * 256):
        assert not is_user_name(other)


ODD = (
    "\t\v\x1f\x7f\x85\xa0\xad\u034f\u1680\u180e\u2000\u200b\u200d\u202e\u2028\u2060\u2800\u3000\u3164"
    "\udc80\ufe0f\ufeff\uffa0\U000e0041\U000e0100"
)


@pytest.mark.parametrize("odd", ODD, ids=[f"{ord(odd):x}" for odd in ODD])
def test_what_cannot_be_seen(odd: str) -> None:
    """White space but a space, control and invisible characters, wherever they stand."""
    for text in (odd, f"ann{odd}", f"{odd}ann", f"an{odd}n"):
        assert not is_user_name(text)
