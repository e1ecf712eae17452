"""Bytes that break the rules."""

from __future__ import annotations

from vncproxy.rfb.wire_error import WireError


def test_it_is_a_value_error_with_plain_words() -> None:
    """Callers outside the streams may treat it as any other wrong value."""
    error = WireError("unknown encoding 50")
    assert isinstance(error, ValueError)
    assert str(error) == "unknown encoding 50"
