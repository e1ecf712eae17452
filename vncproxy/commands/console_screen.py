"""The screen of a console, as a command is shown it: RFB's client side, without I/O.

It names the encodings that the page's noVNC does, since the upstream is asked for what all viewers
can show: with fewer, the others' pictures would suffer.
"""

from __future__ import annotations

import io
import struct

from vncproxy.errors import LocalError, RecordingError
from vncproxy.languages.text import Text
from vncproxy.recording.novnc_form import NOVNC
from vncproxy.rfb import encodings as enc
from vncproxy.rfb.client_messages import set_encodings, set_pixel_format, update_request
from vncproxy.rfb.handshake_events import Ready, Send
from vncproxy.rfb.raw_strips import RawStrips
from vncproxy.rfb.region import Uncovered
from vncproxy.rfb.server_events import (
    RawReceived,
    RawStarted,
    RectangleReceived,
    ServerEvent,
    StreamBroken,
    UpdateEnded,
    UpdateStarted,
)
from vncproxy.rfb.server_stream import ServerStream
from vncproxy.rfb.tight import layout as tight_layout
from vncproxy.rfb.tight_streams import InflatedTight, StatelessTight
from vncproxy.rfb.upstream_handshake import UpstreamHandshake

ENCODINGS = (
    *(enc.COPY_RECT, enc.TIGHT, enc.TIGHT_PNG, enc.HEXTILE, enc.RRE, enc.RAW),
    *(enc.QUALITY_LEVELS[6], enc.COMPRESSION_LEVELS[2]),
    *(enc.DESKTOP_SIZE, enc.LAST_RECT, enc.QEMU_EXTENDED_KEY, enc.QEMU_LED_STATE),
    *(enc.EXTENDED_DESKTOP_SIZE, enc.DESKTOP_NAME, enc.EXTENDED_MOUSE_BUTTONS),
    *(enc.VMWARE_CURSOR, enc.CURSOR, enc.X_CURSOR),
)
PICTURE_MAX_BYTES = 256 << 20
"""Rectangles of more than that aren't kept for one picture."""
_CAPS_LOCK = 4
"""Source: rfbproto, QEMU LED State Pseudo-encoding."""
_EXACT_MAX_PIXELS = 256
"""Servers send some neighbours of a pixel, too: QEMU a row of 16."""
_BROKEN = Text("what the daemon sent can't be read")


class ConsoleScreen:
    """One viewer's end of the RFB stream.

    Attributes:
        is_ready: ServerInit has come, and what the viewer wants was sent.
        caps_lock: Whether Caps Lock is on in the guest; None: its server doesn't say.
        qemu_keys: Keys may be named by their physical key, too.
        is_answered: The picture that `question` asked for has come.
        is_exact: In a rectangle so small that it is hardly anything else's.
        picture: Of the rectangles that come; None: none is made.
    """

    def __init__(self, picture: LivePicture | None = None) -> None:
        """Nothing has come; `picture` gets what is shown."""
        self.is_ready = False
        self.caps_lock: bool | None = None
        self.qemu_keys = False
        self.is_answered = False
        self.is_exact = False
        self.picture = picture
        self._handshake = UpstreamHandshake()
        self._stream: ServerStream | None = None
        self._asked = (0, 0)
        self._question = b""
        self._covered = False

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return (self._stream.width, self._stream.height) if self._stream is not None else (0, 0)

    def feed(self, data: bytes) -> list[bytes]:
        """Take what came; gives what is to be sent.

        Raises:
            LocalError: It isn't RFB.
        """
        if self._stream is not None:
            return self._follow(self._stream.feed(data))
        out: list[bytes] = []
        for event in self._handshake.feed(data):
            match event:
                case Send(data=answer):
                    out.append(answer)
                case Ready():
                    self._stream = ServerStream(event.width, event.height, NOVNC)
                    out += [set_pixel_format(NOVNC), set_encodings(ENCODINGS)]
                    self.is_ready = True
                    if self.picture is not None:
                        self.picture.resize(*self.size)
                    out += self._follow(self._stream.feed(event.trailing))
                case _:
                    raise LocalError(_BROKEN)
        return out

    def question(self, *, last_corner: bool) -> bytes:
        """Ask for one pixel, whatever is on it: the first or the last one."""
        width, height = self.size
        x, y = (max(width - 1, 0), max(height - 1, 0)) if last_corner else (0, 0)
        self._asked = x, y
        self.is_answered = self.is_exact = self._covered = False
        self._question = update_request(incremental=False, x=x, y=y, width=1, height=1)
        return self._question

    def whole(self) -> bytes:
        """Ask for all of the picture."""
        width, height = self.size
        return update_request(incremental=False, x=0, y=0, width=width, height=height)

    def _follow(self, events: list[ServerEvent]) -> list[bytes]:
        out: list[bytes] = []
        for event in events:
            if self.picture is not None:
                self.picture.take(event)
            match event:
                case RectangleReceived(encoding=enc.QEMU_LED_STATE, data=data):
                    self.caps_lock = bool(data[0] & _CAPS_LOCK)
                case RectangleReceived(encoding=enc.QEMU_EXTENDED_KEY):
                    self.qemu_keys = True
                case RawStarted():
                    self._cover(event)
                case RectangleReceived(encoding=encoding) if encoding in enc.PICTURE:
                    self._cover(event)
                case UpdateEnded(picture=True) if not self.is_answered:
                    self.is_answered = self._covered
                    if self._question and not self.is_answered:
                        # One that was under way: the daemon has taken it for the answer.
                        out.append(self._question)
                case StreamBroken():
                    raise LocalError(_BROKEN)
                case _:
                    pass
        return out

    def _cover(self, rect: RectangleReceived | RawStarted) -> None:
        x, y = self._asked
        if rect.x <= x < rect.x + rect.width and rect.y <= y < rect.y + rect.height:
            self._covered = True
            self.is_exact = rect.width * rect.height <= _EXACT_MAX_PIXELS


class LivePicture:
    """The rectangles of a screen until all of it has come; they are decoded by `png`."""

    def __init__(self) -> None:
        """Nothing has come."""
        self._size = (0, 0)
        self._uncovered = Uncovered(0, 0)
        self._kept: list[tuple[RectangleReceived, InflatedTight | None]] = []
        self._kept_bytes = 0
        self._raw: RawStrips | None = None
        self._within_update = False
        self._tight = StatelessTight()

    @property
    def is_whole(self) -> bool:
        """Whether every pixel has come, and no update is half there."""
        return self._size != (0, 0) and self._uncovered.complete and not self._within_update

    def resize(self, width: int, height: int) -> None:
        """The screen has this size: all of it has to come anew."""
        self._size = width, height
        self._uncovered.reset(width, height)
        self._kept.clear()
        self._kept_bytes = 0

    def take(self, event: ServerEvent) -> None:
        """Keep what is drawn.

        Raises:
            LocalError: It is too much, or can't be decoded.
        """
        match event:
            case UpdateStarted():
                self._within_update = True
            case RawStarted():
                self._raw = RawStrips(event)
            case RawReceived(data) if self._raw is not None:
                for strip in self._raw.take((data,)):
                    self._keep(strip, None, len(strip.data))
            case RectangleReceived():
                self._rectangle(event)
            case UpdateEnded():
                self._within_update = False
            case _:
                pass

    def _rectangle(self, rect: RectangleReceived) -> None:
        size = rect.width, rect.height
        is_size = rect.encoding == enc.DESKTOP_SIZE
        if is_size or (rect.encoding == enc.EXTENDED_DESKTOP_SIZE and rect.y == 0):
            if size != self._size:
                self.resize(*size)
        elif rect.encoding == enc.TIGHT:
            layout = tight_layout(rect.encoding, *size, rect.data, NOVNC)
            assert layout is not None, "asked for Tight only"
            try:
                # In order, or the zlib streams would get out of step.
                inflated = self._tight.take(rect.data, layout)
            except ValueError as fault:
                raise LocalError(_BROKEN) from fault
            self._keep(rect, inflated, layout.size)
        elif rect.encoding in enc.PICTURE:
            self._keep(rect, None, len(rect.data))

    def _keep(
        self, rect: RectangleReceived, inflated: InflatedTight | None, size_bytes: int
    ) -> None:
        self._kept_bytes += size_bytes
        if self._kept_bytes > PICTURE_MAX_BYTES:
            raise LocalError(Text("the screen changes faster than a picture of it can be taken"))
        self._kept.append((rect, inflated))
        self._uncovered.cover(rect.x, rect.y, rect.width, rect.height)

    def png(self) -> bytes:
        """The picture as a PNG in its own size. It takes long: for a thread.

        Raises:
            LocalError: What came can't be drawn.
            ModuleNotFoundError: Pillow isn't installed.
        """
        from vncproxy.recording.canvas import Canvas

        canvas = Canvas(struct.pack(">HH", *self._size))
        written = io.BytesIO()
        try:
            canvas.draw([_alone(rect, inflated) for rect, inflated in self._kept])
            canvas.image.save(written, "PNG")
        except (RecordingError, ValueError) as fault:
            raise LocalError(_BROKEN) from fault
        return written.getvalue()


def _alone(rect: RectangleReceived, inflated: InflatedTight | None) -> RectangleReceived:
    """The rectangle in a form that needs none before it."""
    if inflated is None:
        return rect
    return RectangleReceived(
        rect.x, rect.y, rect.width, rect.height, rect.encoding, inflated.restart()
    )
