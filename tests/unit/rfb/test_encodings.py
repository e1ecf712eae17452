"""Which encodings may be named to an upstream."""

from __future__ import annotations

import pytest

from vncproxy.rfb import encodings as enc


@pytest.mark.parametrize(
    "encoding", [enc.ZLIB, enc.ZLIB_HEX, enc.ZRLE, enc.JPEG, enc.H264, enc.CURSOR_WITH_ALPHA]
)
def test_what_cant_be_carried_over_is_never_asked(encoding: int) -> None:
    """Streams without a reset, or state between rectangles, would break at a change of link."""
    assert not enc.may_be_asked(encoding)


@pytest.mark.parametrize(
    "encoding",
    [enc.FENCE, enc.CONTINUOUS_UPDATES, enc.EXTENDED_CLIPBOARD, enc.XVP, enc.QEMU_AUDIO, enc.GII],
)
def test_what_the_daemon_doesnt_speak_upstream_is_never_asked(encoding: int) -> None:
    """What was never asked for is never confirmed, to nobody."""
    assert not enc.may_be_asked(encoding)


def test_what_is_asked() -> None:
    """Picture encodings, what can be remembered, and wishes for quality."""
    for encoding in (enc.RAW, enc.TIGHT, enc.TIGHT_PNG, enc.CURSOR, enc.EXTENDED_DESKTOP_SIZE):
        assert enc.may_be_asked(encoding)
    assert enc.may_be_asked(-32) and enc.may_be_asked(-23)
    assert not enc.may_be_asked(-33) and not enc.may_be_asked(-22)
    assert enc.may_be_asked(-256) and enc.may_be_asked(-247)
    assert enc.may_be_asked(-512) and enc.may_be_asked(-412)
    assert enc.may_be_asked(-768) and enc.may_be_asked(-763)
