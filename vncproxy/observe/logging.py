"""One way out for every log line, the daemon's own and its libraries'.

The daemon's events, which structlog takes, and the records of aiohttp, websockets and asyncio,
which logging takes, are cleaned and written by the same code. An event of plain values in which
nothing looks like a secret, as nearly all are, is found to be clean by one cheap look; all others
have each value cleaned, and the finished text once more.
"""

from __future__ import annotations

import json
import logging
import math
import re
import sys
import threading
from collections.abc import Iterable, MutableMapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from types import TracebackType
from typing import Any, Literal, Protocol

import msgspec
import structlog
from structlog.typing import Processor, WrappedLogger

from vncproxy.observe.escaping import escaped, escaped_json
from vncproxy.observe.redaction import WORD_MAX_LENGTH, Redactor
from vncproxy.observe.secret_patterns import is_no_lookalike, is_secret_key

Format = Literal["auto", "console", "json"]
EventDict = MutableMapping[str, Any]

_OWN_LOGGER = "vncproxy"
_LEADING_KEYS = ("timestamp", "level", "event")
_IN_EVERY_RECORD = frozenset({"timestamp", "level"})
_OWN_KEY = re.compile(r"[a-z_]+")
_EVENT_NAME = re.compile(r"[a-z_]+(\.[a-z_]+)+")
_LEVELS = {"warn": "warning", "exception": "error"}
"""Of the methods that aren't named after their level."""
_stack_as_text = structlog.processors.StackInfoRenderer()
_LONG_TEXTS = frozenset({"exception", "stack"})


class LogStream(Protocol):
    """What logging writes to."""

    def write(self, text: str, /) -> object:
        """Take a text with its line end."""

    def flush(self) -> object:
        """Give on what was taken."""

    def isatty(self) -> bool:
        """Whether it is a terminal."""


def configure(
    *,
    format: Format = "auto",  # noqa: A002 - the configuration's word
    level: str = "info",
    stream: LogStream | None = None,
    extra_secrets: Iterable[str] = (),
    redactor: Redactor | None = None,
) -> Redactor:
    """Send all logging to one stream, redacted; may be called again, as on a reload.

    Args:
        format: "auto" is console on a terminal and JSON otherwise.
        level: Of the daemon's own events; libraries are never more talkative than info, since their
            debug lines hold frames, that is keystrokes.
        stream: None: standard error.
        extra_secrets: Registered with the redactor.
        redactor: The one of an earlier call, to keep what it knows; None: a new one.

    Returns:
        The redactor in use.

    Raises:
        ValueError: The level is unknown.
    """
    wanted = logging.getLevelNamesMapping().get(level.upper())
    if wanted is None:
        raise ValueError(f"unknown log level {level!r}")
    stream = sys.stderr if stream is None else stream
    redactor = Redactor() if redactor is None else redactor
    for secret in extra_secrets:
        redactor.register(secret)

    on_terminal = stream.isatty()
    console = format == "console" or (format == "auto" and on_terminal)
    before: list[Processor] = [structlog.contextvars.merge_contextvars, _add_said_by_each]
    renderer = structlog.dev.ConsoleRenderer(
        colors=on_terminal, exception_formatter=structlog.dev.plain_traceback
    )
    line = _CleanLine(redactor, stream, renderer if console else None)
    handler = _CleanHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *before],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, line],
        )
    )

    root = logging.getLogger()
    for old in [h for h in root.handlers if isinstance(h, _CleanHandler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(max(wanted, logging.INFO))
    logging.getLogger(_OWN_LOGGER).setLevel(wanted)
    logging.captureWarnings(True)

    own = _OwnLines(stream)
    structlog.configure(
        processors=[*before, line.survived],
        wrapper_class=structlog.make_filtering_bound_logger(wanted),
        logger_factory=lambda *_: own,
        # Off, so that a reload changes the level of loggers that are in use.
        cache_logger_on_first_use=False,
    )
    return redactor


def capture_uncaught() -> None:
    """Log what nobody caught, in any thread, instead of printing it unredacted."""

    def uncaught(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
            return
        _log_uncaught(error)

    def uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
        _log_uncaught(args.exc_value)

    def unraisable(args: sys.UnraisableHookArgs) -> None:
        _log_uncaught(args.exc_value)

    sys.excepthook = uncaught
    threading.excepthook = uncaught_in_thread
    sys.unraisablehook = unraisable


def _log_uncaught(error: BaseException | None) -> None:
    logging.getLogger(_OWN_LOGGER).critical("daemon.uncaught", exc_info=error)


def _add_said_by_each(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    """What every line has: its level and its time; and where there is one, the traceback as text.

    One processor of the project's for four of structlog's: most lines have neither.
    """
    event["level"] = _LEVELS.get(name, name)
    now = datetime.now(UTC).replace(tzinfo=None)
    event["timestamp"] = f"{now.isoformat(timespec='microseconds')}Z"
    if "stack_info" in event:
        event = _stack_as_text(logger, name, event)
    if "exc_info" in event:
        event = structlog.processors.format_exc_info(logger, name, event)
    return event


class _CleanLine:
    """The last processor: makes the finished line of an event, with nothing secret in it."""

    def __init__(
        self, redactor: Redactor, stream: LogStream, console: Processor | None = None
    ) -> None:
        """For a stream with this encoding; `console` renders for people, None: JSON."""
        self._redactor = redactor
        self._encoding = getattr(stream, "encoding", None) or "utf-8"
        self._console = console

    def __call__(self, logger: WrappedLogger, name: str, event: EventDict) -> str:
        if self._console is None and self._is_clean(event):
            text = _json_text(event)
            # What a text means once it is escaped wasn't looked at.
            text = self._redactor.clean_line(text) if "\\" in text else text
        else:
            hidden = self._hidden(event)
            render = self._console or _render_json
            text = self._redactor.clean_line(str(render(logger, name, hidden)))
        if text.isascii():
            return text
        return text.encode(self._encoding, "backslashreplace").decode(self._encoding)

    def survived(self, logger: WrappedLogger, name: str, event: EventDict) -> str:
        """The same for the daemon's own events, which a fault in one mustn't disturb."""
        try:
            return self(logger, name, event)
        except Exception:
            return _lost(name.upper())

    def _is_clean(self, event: EventDict) -> bool:
        """Whether it can be rendered as it is: plain values, none of which looks like a secret."""
        keys_as_texts = _texts_of(tuple(event))
        if keys_as_texts is None:
            return False
        texts = [*keys_as_texts]
        for key, value in event.items():
            kind = type(value)
            if key in _IN_EVERY_RECORD or value is None or kind is bool:
                continue
            if kind is str:
                texts.append(value)
            elif kind is int or (kind is float and math.isfinite(value)):
                texts.append(repr(value))
            elif kind is list and set(map(type, value)) <= {str}:
                texts += value
            else:
                return False
        return self._redactor.is_clean(texts)

    def _hidden(self, event: EventDict) -> EventDict:
        """The event made of plain, clean values."""
        hidden: dict[str, Any] = {}
        for name, value in event.items():
            key = str(name)
            if _OWN_KEY.fullmatch(key) is None:
                key = self._redactor.clean(key)
            clean = value if _is_own(key, value) else self._redactor.hide_item(name, value)
            hidden[escaped(key)] = clean if self._console is None else _escape_deep(clean, key)
        return hidden


@lru_cache(1024)
def _texts_of(keys: tuple[object, ...]) -> tuple[str, ...] | None:
    """Those of an event's keys that may be a secret that is no word; None: one isn't harmless."""
    if not all(map(_is_harmless_key, keys)):
        return None
    return tuple(key for key in keys if isinstance(key, str) and len(key) > WORD_MAX_LENGTH)


def _is_harmless_key(key: object) -> bool:
    """Whether it is a name as this program chooses them, and no value under it is hidden for it."""
    return (
        type(key) is str
        and _OWN_KEY.fullmatch(key) is not None
        and not is_secret_key(key)
        and is_no_lookalike(f'"{key}":"value"')
    )


def _is_own(key: str, value: object) -> bool:
    """Whether it is an event's name, or what every line has, which this program's text holds."""
    if key == "event":
        return isinstance(value, str) and _EVENT_NAME.fullmatch(value) is not None
    return key in _LEADING_KEYS


def _escape_deep(value: object, key: str = "") -> object:
    if isinstance(value, str):
        return escaped(value, keep_layout=key in _LONG_TEXTS)
    if isinstance(value, list):
        return [_escape_deep(item) for item in value]
    if isinstance(value, dict):
        return {escaped(str(name)): _escape_deep(item) for name, item in value.items()}
    return value


def _render_json(_logger: WrappedLogger, _name: str, event: EventDict) -> str:
    return _json_text(event)


def _json_text(event: EventDict) -> str:
    first = {key: event[key] for key in _LEADING_KEYS if key in event}
    document = {**first, **event}
    try:
        text = msgspec.json.encode(document).decode()
    except (UnicodeError, OverflowError):
        # Halves of surrogate pairs, and integers of more than 64 bits.
        text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    # Some readers end a line at what JSON allows raw.
    return escaped_json(text)


def _lost(level: str) -> str:
    return f"a log line of {level} was lost: it could not be formatted"


class _OwnLines:
    """What structlog hands the daemon's own lines to; they are clean."""

    def __init__(self, stream: LogStream) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        # Where the stream is gone there is nowhere left to say so.
        with suppress(OSError, ValueError):
            self._stream.write(f"{line}\n")
            self._stream.flush()

    debug = info = warning = error = critical = exception = log = msg


class _CleanHandler(logging.StreamHandler[LogStream]):
    """What logging hands the libraries' records to; its formatter cleans them."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the library's name
        # The library's own version prints the record's arguments, which may hold a secret.
        with suppress(OSError, ValueError):
            self.stream.write(f"{_lost(record.levelname)}\n")
