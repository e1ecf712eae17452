"""Pictures and boot logs in the API's answers."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import pytest

from vncproxy.aliyun import screenshots
from vncproxy.aliyun.screenshots import boot_log_of, picture_of, plain_text
from vncproxy.errors import CloudError, CloudErrorKind

PNG = b"\x89PNG\r\n\x1a\n and more"
JPEG = b"\xff\xd8\xff\xe0 and more"


def encoded(content: bytes) -> str:
    """As the API sends it."""
    return base64.b64encode(content).decode()


@pytest.mark.parametrize(("content", "kind"), [(PNG, "image/png"), (JPEG, "image/jpeg")])
def test_the_first_bytes_tell_what_a_picture_is(content: bytes, kind: str) -> None:
    """The API's page says one kind, its example is of the other."""
    picture = picture_of({"Screenshot": encoded(content)})
    assert (picture.content, picture.content_type) == (content, kind)


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        "",
        "not base64!",
        "iVBORw0KGgo",
        encoded(PNG) + "\n",
        "ïVBORw0KGgo=",
        encoded(b"GIF89a"),
        encoded(b"<svg onload='x'/>"),
    ],
)
def test_what_is_no_picture_is_an_error(value: Any) -> None:
    """Base64 is taken strictly."""
    with pytest.raises(CloudError) as caught:
        picture_of({"Screenshot": value})
    assert caught.value.kind is CloudErrorKind.TRANSIENT


def test_a_picture_that_is_too_long_is_not_even_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of exactly the limit is."""
    monkeypatch.setattr(screenshots, "PICTURE_MAX_BYTES", len(PNG))
    assert picture_of({"Screenshot": encoded(PNG)}).content == PNG
    with pytest.raises(CloudError):
        picture_of({"Screenshot": encoded(PNG + b"12")})


def test_a_boot_log_is_text_with_the_clouds_time() -> None:
    """In UTC+8, as the cloud gives it."""
    fields = {"ConsoleOutput": encoded(b"one\r\ntwo"), "LastUpdateTime": "2026-11-30 10:04:57"}
    log = boot_log_of(fields)
    assert (log.text, log.updated_at) == ("one\ntwo", datetime(2026, 11, 30, 2, 4, 57, tzinfo=UTC))


@pytest.mark.parametrize("text", ["2026-11-30T02:04:57Z", "2026-11-30 10:04:57"])
def test_the_clouds_time_has_two_forms(text: str) -> None:
    """One is in UTC already."""
    log = boot_log_of({"LastUpdateTime": text})
    assert log.updated_at == datetime(2026, 11, 30, 2, 4, 57, tzinfo=UTC)


@pytest.mark.parametrize("fields", [{}, {"ConsoleOutput": None, "LastUpdateTime": "<b>now</b>"}])
def test_an_instance_may_have_printed_nothing(fields: dict[str, Any]) -> None:
    """And what isn't a time is none."""
    log = boot_log_of(fields)
    assert (log.text, log.updated_at) == ("", None)


def test_a_boot_log_that_is_not_one_is_an_error() -> None:
    """As base64 that isn't."""
    with pytest.raises(CloudError):
        boot_log_of({"ConsoleOutput": "***"})


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        (b"[\x1b[0;32m  OK  \x1b[0m] Started", "[  OK  ] Started"),
        (b"\x1b]0;title\x07text\x1b]2;other\x1b\\more", "textmore"),
        (b"\x1b[2J\x1b[Hhome\x1bcreset\x1b(Bset", "homeresetset"),
        ("\x9b31mred\x9b0m\x9d0;title\x9cafter".encode(), "redafter"),
        (b"\x9b31mred\x9b0m\x9d0;title\x9cafter", "redafter"),
        (b"\xe4\xb8\xad\xe4\xb8 \xff\x9b", "\u4e2d\ufffd \ufffd\ufffd"),
        (b"one\r\r\ntwo\rthree\r\n", "one\ntwo\nthree\n"),
        (b"a\x00b\x07c\x08d\x7fe\tf", "abcde\tf"),
        (b"\xc2\x9b31mC1", "C1"),
        (b"broken \xff\xc3", "broken \N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}"),
        ("abc\N{RIGHT-TO-LEFT OVERRIDE}txt".encode(), "abctxt"),
        (b"\x1b", ""),
        ("Grüße, 你好".encode(), "Grüße, 你好"),
    ],
)
def test_text_moves_no_cursor_and_colours_nothing(printed: bytes, shown: str) -> None:
    """Neither on a terminal nor on a page."""
    assert plain_text(printed) == shown
