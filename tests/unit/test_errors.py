"""The error tree: sides, codes, texts."""

from __future__ import annotations

import errno
import inspect

import pytest

from vncproxy import errors
from vncproxy.errors import (
    REASON_MAX_BYTES,
    CertificateRefused,
    CloseCode,
    CloseReason,
    CloudError,
    CloudErrorKind,
    ConfigError,
    ConfigProblem,
    Side,
    Throttled,
    UpstreamLost,
    UpstreamProtocolError,
    UpstreamRefused,
    VncPasswordError,
    VncproxyError,
    out_of_descriptors,
    safe_cloud_code,
)

CONTRACT = {
    1011: "internal",
    1012: "restarting",
    4400: "viewer-protocol",
    4401: "vnc-password",
    4403: "kicked",
    4406: "pixel-format",
    4408: "idle",
    4409: "in-use",
    4410: "session-limit",
    4413: "too-slow",
    4421: "elsewhere",
    4429: "throttled",
    4500: "upstream-protocol",
    4502: "upstream-refused",
    4504: "upstream-lost",
}


def test_the_close_codes_of_the_contract() -> None:
    """Numbers and words are those that pages and programs rely on."""
    sent = {int(code): code.word for code in CloseCode if code is not CloseCode.VIEWER_LEFT}
    assert sent == CONTRACT


@pytest.mark.parametrize(
    ("error", "code", "side"),
    [
        (UpstreamLost("x"), CloseCode.UPSTREAM_LOST, Side.CLOUD),
        (UpstreamProtocolError("x"), CloseCode.UPSTREAM_PROTOCOL, Side.CLOUD),
        (VncPasswordError("x"), CloseCode.VNC_PASSWORD, Side.CLOUD),
        (UpstreamRefused("x", "ProxyRefused"), CloseCode.UPSTREAM_REFUSED, Side.CLOUD),
        (CertificateRefused("x"), CloseCode.UPSTREAM_REFUSED, Side.CLOUD),
        (Throttled(12.2), CloseCode.THROTTLED, Side.DAEMON),
        (CloudError("x", CloudErrorKind.PERMANENT), CloseCode.UPSTREAM_REFUSED, Side.CLOUD),
    ],
)
def test_how_errors_close_a_viewer(error: VncproxyError, code: CloseCode, side: Side) -> None:
    """Each error knows its close code and its side."""
    reason = error.close_reason()
    assert (reason.code, reason.side) == (code, side)
    assert reason.text == error.public_text


def test_a_clouds_code_follows_the_word() -> None:
    """`upstream-refused: Code`, within the room of a close frame."""
    error = CloudError("x", CloudErrorKind.WAITS, code="IncorrectInstanceStatus")
    assert error.close_reason().reason == "upstream-refused: IncorrectInstanceStatus"
    longest = CloseReason(CloseCode.UPSTREAM_REFUSED, Side.CLOUD, "", "x" * 64)
    assert len(longest.reason.encode()) <= REASON_MAX_BYTES


@pytest.mark.parametrize("code", [None, "", "a b", "x" * 65, "wss://h/?s=1", "é", "a\n"])
def test_codes_that_are_not_repeated(code: str | None) -> None:
    """Only harmless codes are repeated."""
    assert safe_cloud_code(code) == ""
    assert CloseReason(CloseCode.UPSTREAM_REFUSED, Side.CLOUD, "", code or "").reason == (
        "upstream-refused"
    )


def test_the_time_to_wait_is_rounded_up() -> None:
    """A person who comes back at that time isn't too early."""
    assert "13 s" in Throttled(12.2).public_text


def test_all_problems_of_a_configuration() -> None:
    """Each problem is one line: where, key, found, expected."""
    problems = [ConfigProblem("f:1", "a", "x", "y"), ConfigProblem("f:2", "b", "x", "z")]
    assert ConfigError(problems).public_text.splitlines() == [
        "f:1: a: found x; expected y",
        "f:2: b: found x; expected z",
    ]


def test_the_tree_in_the_docstring() -> None:
    """Every error class is drawn in the module's docstring."""
    drawn = errors.__doc__ or ""
    classes = [
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, VncproxyError)
    ]
    assert [name for name in classes if name not in drawn] == []


def test_what_is_logged_where_nobody_tries_again() -> None:
    """A promise of another try becomes an advice; everything else stays."""
    busy = CloudError("The ECS API has a fault. It is tried again.", CloudErrorKind.TRANSIENT)
    assert busy.final_text == "The ECS API has a fault. Try again later."
    assert CloudError("No.", CloudErrorKind.PERMANENT).final_text == "No."


def test_where_the_request_id_is_is_said_unless_it_is_beside_it() -> None:
    """Who has it needn't look for it; whoever hasn't is told where it is."""
    text = "The cloud refused it. The log has the request id."
    known = CloudError(text, CloudErrorKind.PERMANENT, request_id="A1")
    assert (known.public_text, known.text_beside_request_id) == (text, "The cloud refused it.")
    assert CloudError(text, CloudErrorKind.PERMANENT).text_beside_request_id == text


def test_a_lack_of_file_descriptors_is_reported_as_such() -> None:
    """Wherever in the chain it is; nothing else is taken for it."""
    shortage = OSError(errno.EMFILE, "Too many open files")
    outer = UpstreamLost("can't be reached")
    outer.__cause__ = shortage
    assert out_of_descriptors(outer) == "out of file descriptors (LimitNOFILE)"
    assert out_of_descriptors(OSError(errno.ENFILE, "")) == (
        "this machine is out of file descriptors (fs.file-max)"
    )
    assert out_of_descriptors(OSError(errno.ENOENT, "")) is None
    assert out_of_descriptors(None) is None
