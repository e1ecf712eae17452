"""One HTTP connection: what isn't HTTP is answered and logged without repeating it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
from aiohttp import web

from vncproxy.tasks import Flag
from vncproxy.web.connection_limits import Slot
from vncproxy.web.masked_frames import MaskedFrames
from vncproxy.web.middleware import SECURITY_HEADERS

_log = structlog.get_logger("vncproxy.web")

KEEPALIVE_TIMEOUT_S = 75.0
"""How long an idle connection stays open for another request."""
LINGERING_TIME_S = 1.0
"""How long the rest of a refused body is taken and thrown away, so that its sender reads why."""


class _Rest:
    """A parser that takes what came behind a request as it is."""

    def __init__(self) -> None:
        self.data = b""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.data += data
        return False, b""

    def feed_eof(self) -> None:
        pass


class Connection(web.RequestHandler):
    """aiohttp's connection, which by itself repeats a broken request in the log and the answer."""

    __slots__ = ("_slot", "gone")

    def __init__(self, manager: web.Server, slot: Slot, **settings: Any) -> None:
        """Serve one connection.

        Args:
            manager: aiohttp's server.
            slot: Activated by the first request, left at the end.
            settings: aiohttp's.
        """
        super().__init__(manager, **settings)
        self._slot = slot
        self.gone = Flag()
        """Whether the client has left: aiohttp lets a request that is being answered go on."""

    def data_received(self, data: bytes) -> None:
        """As the library's; what isn't HTTP counts as asked: it gets an answer."""
        super().data_received(data)
        if self._request_count:
            self._slot.activate()

    def set_parser(self, parser: Any, data_received_cb: Callable[[], None] | None = None) -> None:
        """As the library's, which takes a WebSocket's frames without masks, too."""
        super().set_parser(MaskedFrames(parser), data_received_cb)  # type: ignore[arg-type]

    def give_away(self) -> tuple[bytes, Callable[[], None]]:
        """Have no part in the connection any more: it has another protocol from now on.

        For aiohttp it is lost, so that nothing of this is left once the request's handler returns.

        Returns:
            What came behind the request, and what is to be called when the connection is lost.
        """
        rest = _Rest()
        super().set_parser(rest)  # type: ignore[arg-type]
        # The library would close it.
        self.transport = None
        super().connection_lost(None)
        return rest.data, self._slot.leave

    def connection_lost(self, exc: BaseException | None) -> None:
        """As the library's."""
        self._slot.leave()
        self.gone.set()
        super().connection_lost(exc)
        # Of a WebSocket, which holds this: nothing would end both but the collector.
        self._data_received_cb = None

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to what never reached a handler, or to a fault outside of one.

        Raises:
            ConnectionError: An answer has begun, so that there can't be another.
        """
        if status < 500:
            _log.info("request.unreadable", status=status, address=request.remote)
        elif isinstance(exc, ConnectionError):
            # Who asked has left in the midst of it.
            _log.debug("request.left", address=request.remote)
        else:
            _log.error("request.fault", exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun already")
        text = "This isn't a request that vncproxy can read.\n"
        answer = web.Response(status=status, text=text if status < 500 else "An internal fault.\n")
        answer.headers.update(SECURITY_HEADERS)
        answer.headers["Cache-Control"] = "no-store"
        answer.force_close()
        return answer
