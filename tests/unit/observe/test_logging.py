"""One way out for all log lines, and no secret on it."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from vncproxy.observe.logging import capture_uncaught, configure
from vncproxy.observe.redaction import Redactor
from vncproxy.observe.secret_patterns import HIDDEN


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Every test leaves logging as it found it."""
    root, own = logging.getLogger(), logging.getLogger("vncproxy")
    before = (list(root.handlers), root.level, own.level)
    hooks = (sys.excepthook, threading.excepthook, sys.unraisablehook)
    yield
    root.handlers[:], level, own_level = before
    root.setLevel(level)
    own.setLevel(own_level)
    sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
    logging.captureWarnings(False)
    structlog.contextvars.clear_contextvars()
    structlog.reset_defaults()


def drop_other_handlers() -> None:
    """Leave out pytest's own, which is as careless as a library's."""
    logging.getLogger().handlers.clear()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    """What was written, as JSON."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_json_line() -> None:
    """Time in UTC, level, event and values, with what is bound to the context."""
    out = io.StringIO()
    configure(format="json", stream=out)
    structlog.contextvars.bind_contextvars(session_id="abc")
    structlog.get_logger().info("viewer.opened", links=2, instance="网-1")
    (event,) = lines(out)
    assert event.pop("timestamp").endswith("Z")
    assert event == {
        "level": "info",
        "event": "viewer.opened",
        "session_id": "abc",
        "links": 2,
        "instance": "网-1",
    }
    assert "网-1" in out.getvalue()


def test_libraries_use_the_same_way_out() -> None:
    """A record of aiohttp is rendered as an event with its logger's name."""
    out = io.StringIO()
    configure(format="json", stream=out)
    logging.getLogger("aiohttp.access").info("GET %s", "/websockify/a?ticket=PLANTED")
    logging.getLogger("websockets.client").debug("< BINARY 0f 0f")
    (event,) = lines(out)
    assert event["logger"] == "aiohttp.access"
    assert event["event"] == f"GET /websockify/a?ticket={HIDDEN}"


def test_libraries_stay_quiet_when_the_daemon_is_set_to_debug() -> None:
    """Their debug lines would hold frames, that is keystrokes; the daemon's own come through."""
    out = io.StringIO()
    configure(format="json", level="debug", stream=out)
    logging.getLogger("websockets.client").debug("< BINARY 0f 0f")
    structlog.get_logger().debug("link.dialled")
    assert [e["event"] for e in lines(out)] == ["link.dialled"]


def test_the_level_can_be_changed_by_configuring_again() -> None:
    """A second call replaces the first, for loggers in use too, and keeps what is registered."""
    first, second = io.StringIO(), io.StringIO()
    log = structlog.get_logger()
    redactor = configure(format="json", level="warning", stream=first, extra_secrets=["hunter22"])
    log.info("unseen")
    again = configure(format="json", level="info", stream=second, redactor=redactor)
    log.info("seen", what="hunter22")
    assert again is redactor
    assert first.getvalue() == ""
    assert [(e["event"], e["what"]) for e in lines(second)] == [("seen", HIDDEN)]


def test_an_unknown_level_is_refused() -> None:
    """A typing mistake doesn't silence the log."""
    with pytest.raises(ValueError, match="loud"):
        configure(level="loud", stream=io.StringIO())


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Yes."""
        return True


def test_auto_is_console_on_a_terminal_and_json_elsewhere() -> None:
    """What reads the log decides its form."""
    terminal, file = Terminal(), io.StringIO()
    configure(stream=terminal)
    structlog.get_logger().info("to.people")
    configure(stream=file)
    structlog.get_logger().info("to.programs")
    assert "to.people" in terminal.getvalue()
    assert not terminal.getvalue().startswith("{")
    assert lines(file)[0]["event"] == "to.programs"


def test_a_peers_text_moves_no_cursor() -> None:
    """Control characters are escaped on a console; a traceback keeps its lines."""
    out = io.StringIO()
    configure(format="console", stream=out)
    try:
        raise ValueError("bad \x1b[2J name")
    except ValueError:
        structlog.get_logger().exception("x\x1b[31m", name="a\nlevel=critical\u202e")
    text = out.getvalue()
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "Traceback (most recent call last):\n" in text
    assert "\nlevel" not in text


def test_a_record_that_cannot_be_formatted_tells_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The library would print the arguments to standard error; here only the loss is reported."""
    out = io.StringIO()
    drop_other_handlers()
    configure(format="json", stream=out)
    logging.getLogger("aiohttp").warning("%d", "PLANTED")
    assert "lost" in out.getvalue()
    assert "PLANTED" not in out.getvalue() + "".join(capsys.readouterr())


def test_a_closed_stream_is_survived() -> None:
    """Logging into nowhere raises nothing."""
    out = io.StringIO()
    configure(format="json", stream=out)
    out.close()
    structlog.get_logger().info("anything")


def test_a_narrow_encoding_is_survived() -> None:
    """What the stream can't write is escaped."""
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    configure(format="json", stream=out)
    structlog.get_logger().info("网", odd="\ud800")
    out.flush()
    assert raw.getvalue().count(b"\n") == 1


def test_warnings_are_logged() -> None:
    """A library's warning is a log line, not text on standard error."""
    out = io.StringIO()
    configure(format="json", stream=out)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)
        logging.captureWarnings(True)
        warnings.warn("token=PLANTED is old", stacklevel=1)
    assert "PLANTED is" not in out.getvalue()
    assert lines(out)[0]["logger"] == "py.warnings"


def test_what_nobody_caught_is_logged() -> None:
    """An exception in a thread, or at the very top, reaches the log, redacted."""
    out = io.StringIO()
    redactor = configure(format="json", stream=out, extra_secrets=["hunter22"])
    assert isinstance(redactor, Redactor)
    capture_uncaught()

    def fail() -> None:
        raise RuntimeError("hunter" + "22")

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    error = ValueError("hunter" + "22")
    sys.excepthook(ValueError, error, None)
    assert [e["event"] for e in lines(out)] == ["daemon.uncaught"] * 2
    assert "hunter22" not in out.getvalue()
    assert HIDDEN in lines(out)[0]["exception"]


async def test_asyncios_own_complaints_are_redacted() -> None:
    """What the loop says about a lost exception takes the same way."""
    out = io.StringIO()
    configure(format="json", stream=out, extra_secrets=["hunter22"])
    asyncio.get_running_loop().call_exception_handler(
        {"message": "odd", "exception": ValueError("hunter" + "22")}
    )
    assert lines(out)[0]["logger"] == "asyncio"
    assert "hunter22" not in out.getvalue()


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)
SECRETS = st.text("abcdefghjkXYZ0123456789+/%-_=\"'\\\n é中", min_size=7, max_size=24)


@pytest.mark.parametrize("style", ["json", "console"])
@given(secret=SECRETS, other=VALUES, where=st.integers(0, 9))
@settings(max_examples=120)
def test_a_planted_secret_shows_nowhere(style: Any, secret: str, other: object, where: int) -> None:
    """In any place of any event, raw or quoted, a registered secret is not in the output."""
    if secret.isdigit() or secret.strip("0 ") == "":
        secret += "Q"
    out = io.StringIO()
    drop_other_handlers()
    configure(format=style, stream=out, extra_secrets=[secret])
    log = structlog.get_logger()
    values: dict[str, Any] = {"other": other}
    event = "thing.happened"
    match where:
        case 0:
            event = f"x {secret} y"
        case 1:
            values["plain"] = secret
        case 2:
            values["nested"] = {"a": [{"b": (secret, other)}]}
        case 3:
            # Small letters alone would be a word of the log's own.
            values[f"K{secret}"] = 1
        case 4:
            values["nested"] = {secret: {secret: secret}}
        case 5:
            values["error"] = ValueError(secret)
        case 6:
            values["raw"] = secret.encode()
        case 7:
            structlog.contextvars.bind_contextvars(bound=f"<{secret}>")
        case 8:
            logging.getLogger("aiohttp").warning("a %s b %r", secret, secret)
        case _:
            pass
    try:
        try:
            raise RuntimeError(f"inner {secret}") if where == 9 else KeyError("inner")
        except (RuntimeError, KeyError) as error:
            raise ValueError(f"outer {secret!r}" if where == 9 else "outer") from error
    except ValueError:
        log.exception(event, **values)
    structlog.contextvars.clear_contextvars()
    text = out.getvalue()
    assert text
    # What is left once the marks are cut out; the marks themselves hold no secret.
    rest = text.replace(HIDDEN, "")
    assert secret not in rest
    assert json.dumps(secret)[1:-1] not in rest
    if style == "json":
        for line in text.splitlines():
            assert isinstance(json.loads(line), dict)


PLAIN = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["token", "s=1", "a\\b", "\x7f\u2028", "网", "\ud800", "it's"])
    | st.lists(st.text(max_size=4) | st.integers(), max_size=3)
)


@given(st.dictionaries(st.sampled_from(["text", "reason", "token", "x_token", "s"]), PLAIN))
@settings(max_examples=300)
def test_the_cheap_way_writes_what_the_thorough_one_does(values: dict[str, Any]) -> None:
    """An event that is found to be clean at once is the same line as one that was cleaned."""

    def written(**other: object) -> dict[str, Any]:
        out = io.StringIO()
        configure(format="json", stream=out, extra_secrets=["hunter22"])
        structlog.get_logger().info("thing.happened", **values, **other)
        (line,) = lines(out)
        del line["timestamp"]
        return line

    # A tuple isn't among what the cheap way takes.
    assert written(other=()) == {**written(), "other": []}


def test_a_name_that_tells_hides_its_value_in_plain_events_too() -> None:
    """As an identifier, and where it only ends like one."""
    out = io.StringIO()
    configure(format="json", stream=out)
    structlog.get_logger().info("x.y", token="PLANTED", xtoken="PLANTED", page_token="PLANTED")
    assert "PLANTED" not in out.getvalue()


def test_a_level_of_each_kind_is_written() -> None:
    """By whichever method it was logged."""
    out = io.StringIO()
    configure(format="json", level="debug", stream=out)
    log = structlog.get_logger()
    for level in ("debug", "info", "warning", "error", "critical"):
        getattr(log, level)("some.event")
    log.log(20, "some.event")
    assert [event["level"] for event in lines(out)] == [
        *("debug", "info", "warning", "error", "critical", "info")
    ]


def test_an_event_that_cannot_be_rendered_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the loss is reported, and who logged it goes on."""
    out = io.StringIO()
    redactor = configure(format="json", stream=out)

    def fails(_texts: object) -> bool:
        raise RuntimeError

    monkeypatch.setattr(redactor, "is_clean", fails)
    structlog.get_logger().warning("some.event", text="PLANTED")
    assert out.getvalue() == "a log line of WARNING was lost: it could not be formatted\n"
