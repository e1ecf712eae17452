"""What an HTTP answer says."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vncproxy.aliyun.answers import RETRY_AFTER_MAX_S, Answer
from vncproxy.errors import CloudError, CloudErrorKind
from vncproxy.observe.times import utc_text


def _error(status: int, body: bytes, **headers: str) -> CloudError:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    outcome = Answer(status, names, body).fields("A")
    assert isinstance(outcome, CloudError)
    return outcome


def test_a_success_gives_its_fields() -> None:
    """The JSON object of a 200 is the answer."""
    assert Answer(200, {}, b'{"VncUrl": "x"}').fields("A") == {"VncUrl": "x"}


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'"x"', b"\xff", b"[" * 100_000, b"{"])
@pytest.mark.parametrize("status", [200, 400, 403, 502])
def test_what_is_no_json_object_is_transient(status: int, body: bytes) -> None:
    """An answer that isn't the API's is tried again, whatever its status."""
    error = _error(status, body)
    assert error.kind is CloudErrorKind.TRANSIENT
    assert error.code == ""


def test_a_redirect_is_transient() -> None:
    """Something in between redirects; the API has no redirects."""
    assert _error(302, b"{}").kind is CloudErrorKind.TRANSIENT


@pytest.mark.parametrize("status", [300, 301, 302, 308, 399])
def test_a_redirect_is_no_error_of_the_api(status: int) -> None:
    """Whatever it claims to be."""
    error = _error(status, b'{"Code": "Forbidden.RAM"}')
    assert (error.kind, error.code) == (CloudErrorKind.TRANSIENT, "")


@pytest.mark.parametrize("status", [400, 403, 499, 500, 503])
def test_an_error_of_the_api_is_reported_by_its_code(status: int) -> None:
    """From 400 on."""
    assert _error(status, b'{"Code": "Forbidden.RAM"}').code == "Forbidden.RAM"


@pytest.mark.parametrize("status", [200, 204, 299])
def test_any_success_gives_its_fields(status: int) -> None:
    """And nothing beyond is one."""
    assert Answer(status, {}, b'{"a": 1}').fields("A") == {"a": 1}


def test_an_error_has_code_and_request_id() -> None:
    """Code and RequestId are read; a request id that isn't one is dropped."""
    error = _error(403, b'{"Code": "Forbidden.RAM", "RequestId": "1450F2D7-5435"}')
    assert (error.code, error.request_id) == ("Forbidden.RAM", "1450F2D7-5435")
    assert _error(403, b'{"Code": "Forbidden", "RequestId": "a b\\n"}').request_id == ""
    assert _error(403, b'{"Code": "Forbidden", "RequestId": 7}').request_id == ""


def test_an_error_without_a_code() -> None:
    """Without a code only the status tells: a fault, or an answer that isn't the API's."""
    assert _error(503, b"{}").kind is CloudErrorKind.TRANSIENT
    assert _error(403, b'{"Code": 7}').kind is CloudErrorKind.TRANSIENT


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [
        ("1500", 1.5),
        (" 20 ", 0.02),
        ("0", None),
        ("-1", None),
        ("x", None),
        ("", None),
        ("²", None),
        ("9" * 5000, RETRY_AFTER_MAX_S),
    ],
)
def test_retry_after_counts_milliseconds(header: str, wait_s: float | None) -> None:
    """x-acs-retry-after is milliseconds; what isn't a positive number is no wish at all."""
    assert _error(400, b'{"Code": "Throttling"}', x_acs_retry_after=header).retry_after_s == wait_s


def test_the_date_is_the_servers_clock() -> None:
    """A proper Date header gives seconds since 1970, anything else None."""
    date = "Tue, 14 Nov 2023 22:13:20 GMT"
    assert Answer(400, {"date": date}, b"").date_unix_s == 1_700_000_000
    assert Answer(400, {"date": "yesterday"}, b"").date_unix_s is None
    assert Answer(400, {}, b"").date_unix_s is None


@pytest.mark.parametrize(
    ("date", "unix_s"),
    [
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Thu, 01 Jan 1970 01:00:10 +0100", 10.0),
        ("Wed, 31 Dec 1969 23:59:59 GMT", None),
    ],
)
def test_a_date_of_any_zone_counts_from_1970(date: str, unix_s: float | None) -> None:
    """What was before is no clock."""
    assert Answer(200, {"date": date}, b"").date_unix_s == unix_s


def test_the_body_is_not_printed() -> None:
    """An answer may hold a VncUrl: its repr doesn't."""
    assert "secret" not in repr(Answer(200, {"x": "secret"}, b"secret"))


@given(st.one_of(st.text(), st.from_regex(r"\w{3}, \d+ (Jan|Dec) \d+ \d+:\d+:\d+ [\w+-]+")))
@example("Mon, 01 Jan 99999999999999999999 00:00:00 GMT")
@example("Fri, 31 Dec 9999 23:59:59 -2359")
@example("Mon, 01 Jan 0001 00:00:00 +2359")
@example("Mon, 01 Jan 2024 00:00:00 +99999999999999999999")
@example("Mon, 01 Jan 2024 99999999999999999999:00:00 GMT")
def test_any_date_is_a_clock_or_none(date: str) -> None:
    """Nothing that a header may hold raises, or moves the clock where no call could be dated."""
    unix_s = Answer(200, {"date": date}, b"").date_unix_s
    if unix_s is not None:
        assert utc_text(unix_s + 100_000).endswith("Z")
