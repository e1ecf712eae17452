"""One way out for every log line, the daemon's own and its libraries'.

structlog's events and the records of aiohttp, websockets and asyncio run through the same
processors into one handler, which cleans the finished text once more.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
from collections.abc import Iterable, MutableMapping
from types import TracebackType
from typing import Any, Literal, Protocol

import structlog
from structlog.typing import Processor, WrappedLogger

from vncproxy.observe.escaping import escaped, escaped_json
from vncproxy.observe.redaction import Redactor

Format = Literal["auto", "console", "json"]
EventDict = MutableMapping[str, Any]

_OWN_LOGGER = "vncproxy"
_LEADING_KEYS = ("timestamp", "level", "event")
_OWN_KEY = re.compile(r"[a-z_]+")
_EVENT_NAME = re.compile(r"[a-z_]+(\.[a-z_]+)+")
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

    Args: format - "auto" is console on a terminal and JSON otherwise; level - of the daemon's own
    events; libraries are never more talkative than info, since their debug lines hold frames, that
    is keystrokes; stream - default standard error; extra_secrets - registered with the redactor;
    redactor - the one of an earlier call, to keep what it knows. Returns: the redactor in use.
    Raises: ValueError - unknown level.
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
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.add_logger_name, *before],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _Hide(redactor, escape=console),
            structlog.dev.ConsoleRenderer(
                colors=on_terminal, exception_formatter=structlog.dev.plain_traceback
            )
            if console
            else _render_json,
        ],
    )
    handler = _CleanHandler(stream, redactor)
    handler.setFormatter(formatter)

    root = logging.getLogger()
    for old in [h for h in root.handlers if isinstance(h, _CleanHandler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(max(wanted, logging.INFO))
    logging.getLogger(_OWN_LOGGER).setLevel(wanted)
    logging.captureWarnings(True)

    structlog.configure(
        processors=[*before, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(wanted),
        logger_factory=lambda *_: logging.getLogger(_OWN_LOGGER),
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


class _Hide:
    """The processor that makes an event of plain, clean values."""

    def __init__(self, redactor: Redactor, *, escape: bool) -> None:
        self._redactor = redactor
        self._escape = escape

    def __call__(self, _logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
        hidden: dict[str, Any] = {}
        for name, value in event.items():
            key = str(name)
            if _OWN_KEY.fullmatch(key) is None:
                key = self._redactor.clean(key)
            clean = value if _is_own(key, value) else self._redactor.hide_item(name, value)
            hidden[escaped(key)] = _escape_deep(clean, key) if self._escape else clean
        return hidden


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
    first = {key: event[key] for key in _LEADING_KEYS if key in event}
    text = json.dumps({**first, **event}, ensure_ascii=False, separators=(",", ":"))
    # Some readers end a line at what JSON allows raw.
    return escaped_json(text)


class _CleanHandler(logging.StreamHandler[LogStream]):
    """The sink: whatever the processors made, the text is searched for secrets once more."""

    def __init__(self, stream: LogStream, redactor: Redactor) -> None:
        super().__init__(stream)
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        text = self._redactor.clean_line(super().format(record))
        encoding = getattr(self.stream, "encoding", None) or "utf-8"
        return text.encode(encoding, "backslashreplace").decode(encoding)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the library's name
        # The library's own version prints the record's arguments, which may hold a secret.
        try:
            self.stream.write(
                f"a log line of {record.levelname} was lost: it could not be formatted\n"
            )
        except (OSError, ValueError):
            return  # The stream is gone; there is nowhere left to say so.
