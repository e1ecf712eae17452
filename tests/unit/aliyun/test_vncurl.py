"""A VncUrl is decoded once, checked and hidden."""

from __future__ import annotations

import copy
import logging
import pickle
import traceback
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from vncproxy.aliyun.vncurl import ANSWER_MAX_CHARS, VncUrl, official_page_url
from vncproxy.errors import CloudError, CloudErrorKind

ANSWERED = "wss%3A%2F%2Fhz01-vncproxy.aliyun.com%2Fwebsockify%2F%3Fs%3DDvh%252FIA%252BYc73gWO48"
DECODED = "wss://hz01-vncproxy.aliyun.com/websockify/?s=Dvh%2FIA%2BYc73gWO48"


def test_the_documented_example_is_decoded_once() -> None:
    """The example of the ECS documentation comes out with its `s=` still encoded."""
    url = VncUrl.decode(ANSWERED, asked_at=5.0)
    assert url.reveal() == DECODED
    assert (url.host, url.port, url.secure) == ("hz01-vncproxy.aliyun.com", 443, True)
    assert url.asked_at == 5.0
    assert url.expires_at(15.0) == 20.0


def test_older_answers_are_ws() -> None:
    """`ws%3A` is as good, and its port is 80 unless it says another."""
    assert VncUrl.decode("ws%3A%2F%2Fa.b%2F%3Fs%3Dx", 0.0).port == 80
    assert VncUrl.decode("ws%3A%2F%2Fa.b%3A6080%2F", 0.0).port == 6080
    assert not VncUrl.decode("ws%3A%2F%2Fa.b%2F", 0.0).secure


def test_an_answer_that_is_not_encoded_is_taken_as_it_is() -> None:
    """Decoding a plain ws:// or wss:// answer would eat the encoding of its token."""
    assert VncUrl.decode(DECODED, 0.0).reveal() == DECODED
    assert VncUrl.decode("WS://a/?s=%2F", 0.0).reveal() == "WS://a/?s=%2F"


def test_a_plus_stays_a_plus() -> None:
    """A plus sign is a part of the token, never a space."""
    assert VncUrl.decode("wss%3A%2F%2Fa.b%2F%3Fs%3Dx+y", 0.0).reveal() == "wss://a.b/?s=x+y"


@pytest.mark.parametrize(
    "answer",
    [
        None,
        7,
        ["wss://a/"],
        "",
        "x",
        "https%3A%2F%2Fa.b%2F",
        quote(quote(DECODED, safe=""), safe=""),  # encoded twice: decoded only once
        "wss%3A%2F%2F",
        "wss%3A%2F%2F%2Fpath",
        "wss%3A%2F%2Fuser%3Apassword%40a.b%2F",
        "wss%3A%2F%2Fa.b%5C%40evil%2F",
        "wss%3A%2F%2Fa.b%2F%3Fs%3Dx%20y",
        "wss%3A%2F%2Fa.b%2F%3Fs%3Dx%0D%0AHost%3A%20y",
        "wss%3A%2F%2Fa.b%2F%00",
        "wss%3A%2F%2Fa.b%2F%23fragment",
        "wss%3A%2F%2Fa.b%3A0%2F",
        "wss%3A%2F%2Fa.b%3A70000%2F",
        "wss%3A%2F%2Fa.b%3Ax%2F",
        "wss%3A%2F%2F%5B%3A%3A1%2F",
        "wss%3A%2F%2Fa.b%2F%FF",
        "wss%3A%2F%2Fü.b%2F",
        "wss://a/" + "x" * ANSWER_MAX_CHARS,
    ],
)
def test_anything_else_is_refused_without_repeating_it(answer: object) -> None:
    """What is no usable URL is a transient error; neither it nor a cause holds any of it."""
    with pytest.raises(CloudError) as caught:
        VncUrl.decode(answer, 0.0)
    error = caught.value
    assert error.kind is CloudErrorKind.TRANSIENT
    assert error.__cause__ is None
    assert error.__context__ is None
    assert not isinstance(answer, str) or len(answer) < 3 or answer not in error.public_text


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("", "empty or too long"),
        ("wss://a/" + "x" * (ANSWER_MAX_CHARS - 7), "empty or too long"),
        ("wss%3A%2F%2Fa.b%2F%FF", "not UTF-8"),
        ("wss%3A%2F%2Fa.b%2F%C3%BC", "characters that no URL has"),
        ("https%3A%2F%2Fa.b%2F", "not a ws:// or wss:// URL"),
    ],
)
def test_the_reason_is_reported(answer: str, reason: str) -> None:
    """Bytes that aren't UTF-8 aren't taken for a character that stands for them."""
    with pytest.raises(CloudError, match=reason):
        VncUrl.decode(answer, 0.0)


def test_the_longest_answer_is_taken() -> None:
    """It still fits into a request line."""
    longest = "wss://a/" + "x" * (ANSWER_MAX_CHARS - 8)
    assert VncUrl.decode(longest, 0.0).reveal() == longest


@pytest.mark.parametrize(
    ("text", "exposed"),
    [
        ("ws://a.b/", True),
        ("wss://a.b/", False),
        ("ws://127.0.0.1/", False),
        ("wss://127.0.0.1/", False),
        ("ws://[::1]/", False),
    ],
)
def test_what_can_be_read_on_the_way(text: str, exposed: bool) -> None:
    """Neither what is encrypted, nor what stays on this machine."""
    assert VncUrl.decode(text, 0.0).exposed is exposed


def test_an_address_in_brackets_is_a_host() -> None:
    """The simulator may live on an IPv6 address."""
    assert VncUrl.decode("ws%3A%2F%2F%5B%3A%3A1%5D%3A6080%2F", 0.0).host == "::1"


def test_nothing_prints_it(caplog: pytest.LogCaptureFixture) -> None:
    """repr, str, format, logging and tracebacks hide it; pickle and copy refuse."""
    url = VncUrl.decode(ANSWERED, 0.0)
    logging.getLogger("x").warning("%s %r", url, url)
    try:
        raise ValueError(url)
    except ValueError as error:
        printed = "".join(traceback.format_exception(error))
    for text in (repr(url), str(url), f"{url}", f"{[url]}", caplog.text, printed):
        assert "Dvh" not in text
        assert "vncproxy.aliyun" not in text
    assert not hasattr(url, "__dict__")
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="neither pickled nor copied"):
            attempt(url)


def test_the_official_page_gets_the_url_as_the_cloud_answered_it() -> None:
    """The parameter is encoded once over the decoded URL, so that the page sees it whole."""
    url = VncUrl.decode(ANSWERED, 0.0)
    page = official_page_url("https://g.a.com/i.html", url, "i-1", windows=False, password=None)
    assert page == f"https://g.a.com/i.html?vncUrl={ANSWERED}&instanceId=i-1&isWindows=false"
    assert parse_qs(urlsplit(page).query)["vncUrl"] == [DECODED]


def test_the_official_page_takes_any_prefix_and_a_password() -> None:
    """A prefix with a question mark or parameters is continued; the password is encoded."""
    url = VncUrl.decode(ANSWERED, 0.0)
    for prefix, joined in (("https://p?", "https://p?vncUrl="), ("https://p?x=1", "?x=1&vncUrl=")):
        page = official_page_url(prefix, url, "i-1", windows=True, password="a&b+c1")
        assert joined in page
        assert page.endswith("&isWindows=true&password=a%26b%2Bc1")
