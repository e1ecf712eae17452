"""All errors: whose fault each is, its text for people, its status and its close code.

    VncproxyError                 never raised itself
    ├── ConfigError               the configuration is wrong (exit status 78)
    ├── LedgerError               the reconnect ledger can't be read or written
    │   ├── LedgerSlow                it doesn't answer in time
    │   └── LedgerUnusable            it is damaged, or a newer version's: waiting mends nothing
    ├── AuditError                the audit can't be written
    ├── RecordingError            a recording can't be written, or read
    ├── AccessError               a request is refused at the door (401, 403, 404, 421, 429, 503)
    │   └── ConsoleElsewhere          another daemon has this console (409)
    ├── LocalError                a fault of the daemon itself, such as an impossible transition
    ├── CloudError                the ECS API refused, or can't be reached
    └── UpstreamError             the VNC connection to the cloud
        ├── UpstreamProtocolError     it broke RFB or WebSocket rules
        ├── UpstreamLost              it ended, or could not be opened
        │   ├── UrlExpired            the VncUrl's life was over before the connection was open
        │   └── UpstreamRefused       a proxy or the gateway refused for good: a retry is useless
        │       └── CertificateRefused    the gateway's certificate fails verification
        ├── VncPasswordError          the VNC password is missing or wrong
        └── Throttled                 the wait for the reconnect budget would be too long

Every error has a text for the public: no URL, no request id, no secret, at most `REASON_MAX_BYTES`
of UTF-8 once it is a close reason; a host only where somebody must know it to put things right,
such as that of a proxy that refuses. Details go to the log by `__cause__`.
"""

from __future__ import annotations

import errno
import math
import re
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import ClassVar

from vncproxy.languages.text import Text, in_lines

REASON_MAX_BYTES = 123
"""Room for the reason in a WebSocket close frame. Source: RFC 6455, sections 5.5 and 5.5.1."""

_TRIED_AGAIN = "It is tried again."
TRY_LATER = "Try again later."
REQUEST_ID_LOGGED = "The log has the request id."
_CLOUD_CODE = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Side(Enum):
    """Whose side a session ended on."""

    VIEWER = "viewer"
    DAEMON = "daemon"
    CLOUD = "cloud"


class CloudErrorKind(Enum):
    """What to do about an answer of the ECS API."""

    PERMANENT = "permanent"
    WAITS = "waits"
    CREDENTIALS = "credentials"
    TRANSIENT = "transient"
    CLOCK = "clock"


class CloseCode(IntEnum):
    """WebSocket close codes towards viewers; the member's `word` starts the close reason.

    `VIEWER_LEFT` is never sent: it is how a session is booked that the viewer itself ended.
    """

    VIEWER_LEFT = 1000
    INTERNAL = 1011
    RESTARTING = 1012
    VIEWER_PROTOCOL = 4400
    VNC_PASSWORD = 4401
    KICKED = 4403
    PIXEL_FORMAT = 4406
    IDLE = 4408
    IN_USE = 4409
    SESSION_LIMIT = 4410
    TOO_SLOW = 4413
    ELSEWHERE = 4421
    THROTTLED = 4429
    UPSTREAM_PROTOCOL = 4500
    UPSTREAM_REFUSED = 4502
    UPSTREAM_LOST = 4504

    @property
    def word(self) -> str:
        """The reason word, as in `upstream-lost`."""
        return self.name.lower().replace("_", "-")


@dataclass(frozen=True, slots=True)
class CloseReason:
    """Why a viewer's WebSocket is closed.

    Args:
        code: The close code.
        side: Whose side it ended on.
        detail: A cloud's error code, which follows the reason word if it is harmless.
        text: One plain sentence for logs and the page.
    """

    code: CloseCode
    side: Side
    text: str = ""
    detail: str = ""

    @property
    def reason(self) -> str:
        """The text of the close frame: at most `REASON_MAX_BYTES`."""
        code = safe_cloud_code(self.detail)
        return f"{self.code.word}: {code}" if code else self.code.word


OUT_OF_DESCRIPTORS = {
    errno.EMFILE: "out of file descriptors (LimitNOFILE)",
    errno.ENFILE: "this machine is out of file descriptors (fs.file-max)",
}
"""In words, since files, name look-ups and connections that fail by it would be blamed instead.
Source: open(2), systemd's LimitNOFILE=."""


def out_of_descriptors(error: BaseException | None) -> str | None:
    """In words, if it goes back to there being no file descriptor left; else None."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in OUT_OF_DESCRIPTORS:
            return OUT_OF_DESCRIPTORS[error.errno]
        error = error.__cause__ or error.__context__
    return None


def safe_cloud_code(code: str | None) -> str:
    """A cloud's error code, if it is harmless to repeat, else an empty string."""
    return code if code and _CLOUD_CODE.fullmatch(code) else ""


class VncproxyError(Exception):
    """The base; its text may be shown to anybody who may use the console.

    Args:
        text: English; a `Text` if it has values and a command prints it.

    Attributes:
        text: For people at a terminal, in whose language it can be said.
        public_text: The same in plain English, for log, audit and JSON.
    """

    side: ClassVar[Side] = Side.DAEMON
    close_code: ClassVar[CloseCode] = CloseCode.INTERNAL

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = Text(text)
        self.public_text = self.text.english

    def close_reason(self) -> CloseReason:
        """How a viewer's WebSocket ends because of this error."""
        return CloseReason(self.close_code, self.side, self.public_text)


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """One mistake in the configuration: where it is, what was found, what is expected.

    Words are a `Text`; names and values from the configuration stay in every language.
    """

    where: str
    key: str
    found: str
    expected: str

    @property
    def text(self) -> Text:
        """One line for people."""
        return Text(
            "{where}: {key}: found {found}; expected {expected}",
            where=self.where,
            key=self.key,
            found=self.found,
            expected=self.expected,
        )

    def __str__(self) -> str:
        """The same in plain English."""
        return self.text.english


class ConfigError(VncproxyError):
    """The configuration is wrong; `problems` lists every mistake of the file at once."""

    def __init__(self, problems: list[ConfigProblem]) -> None:
        super().__init__(in_lines(problem.text for problem in problems))
        self.problems = problems


class LedgerError(VncproxyError):
    """The reconnect ledger can't be read or written, so nothing may be dialled until it can."""


class LedgerSlow(LedgerError):  # noqa: N818 - what it is
    """The reconnect ledger doesn't answer in time; the answer may come later."""


class LedgerUnusable(LedgerError):  # noqa: N818 - what it is
    """The reconnect ledger is damaged or isn't one of this version: somebody has to mend it."""


class AuditError(VncproxyError):
    """The audit can't be written, so nothing may be opened and control can't change hands."""


class RecordingError(VncproxyError):
    """A session that must be recorded can't be, or a recording can't be played."""

    close_code = CloseCode.KICKED


class AccessError(VncproxyError):
    """A request is refused at the door.

    Args:
        status: HTTP status.
        word: A short machine-readable name.
        retry_after_s: For 429.
    """

    side = Side.VIEWER

    def __init__(
        self, status: int, word: str, public_text: str, retry_after_s: float | None = None
    ) -> None:
        super().__init__(public_text)
        self.status = status
        self.word = word
        self.retry_after_s = retry_after_s


class ConsoleElsewhere(AccessError):  # noqa: N818 - the contract's word
    """Another daemon has this console.

    Args:
        name: That daemon's, as its configuration has it.
        url: Where its pages are, or "".
        pass_on: Whether a page goes on there by itself.
    """

    side = Side.DAEMON
    close_code = CloseCode.ELSEWHERE

    def __init__(self, name: str, url: str = "", *, pass_on: bool = False) -> None:
        self.name = name
        self.url = url
        self.pass_on = pass_on and url != ""
        text = Text("Another vncproxy has this console: {name}. Open it there.", name=name)
        if url:
            text = Text(
                "Another vncproxy has this console: {name}. Open it there: {url}",
                name=name,
                url=url,
            )
        super().__init__(409, self.close_code.word, text)


class LocalError(VncproxyError):
    """A fault of the daemon itself."""


class CloudError(VncproxyError):
    """The ECS API refused, or can't be reached.

    Args:
        kind: What to do about it.
        code: The cloud's error code, or "" where there was none.
        request_id: The cloud's, by which its support finds the call.
        action: What was called, such as `DescribeInstanceVncUrl`; "" where it isn't known.
        retry_after_s: What the cloud asked to wait.
        clock_offset_s: The cloud's clock minus ours, where it showed.
    """

    side = Side.CLOUD
    close_code = CloseCode.UPSTREAM_REFUSED

    def __init__(
        self,
        public_text: str,
        kind: CloudErrorKind,
        *,
        code: str = "",
        request_id: str = "",
        action: str = "",
        retry_after_s: float | None = None,
        clock_offset_s: float | None = None,
    ) -> None:
        super().__init__(public_text)
        self.kind = kind
        self.code = code
        self.request_id = request_id
        self.action = action
        self.retry_after_s = retry_after_s
        self.clock_offset_s = clock_offset_s

    @property
    def throttled(self) -> bool:
        """Whether the cloud limits how often it is called."""
        return self.code.startswith("Throttling")

    @property
    def final_text(self) -> Text:
        """The sentence where nobody tries again by himself, as at the end of a command."""
        return Text(self.public_text.replace(_TRIED_AGAIN, TRY_LATER))

    @property
    def text_beside_request_id(self) -> str:
        """The sentence where the request id is told as well, if there is one."""
        return self.public_text.removesuffix(f" {REQUEST_ID_LOGGED}" if self.request_id else "")

    def close_reason(self) -> CloseReason:
        """4502 with the cloud's code."""
        return CloseReason(self.close_code, self.side, self.public_text, self.code)


class UpstreamError(VncproxyError):
    """The VNC connection to the cloud."""

    side = Side.CLOUD
    close_code = CloseCode.UPSTREAM_LOST


class UpstreamProtocolError(UpstreamError):
    """The upstream broke RFB or WebSocket rules."""

    close_code = CloseCode.UPSTREAM_PROTOCOL


class UpstreamLost(UpstreamError):  # noqa: N818 - the contract's word
    """The upstream ended, or could not be opened."""


class VncPasswordError(UpstreamError):
    """The VNC password is missing or wrong.

    Args:
        wrong: One was given, and refused.
    """

    close_code = CloseCode.VNC_PASSWORD

    def __init__(self, public_text: str, *, wrong: bool = False) -> None:
        super().__init__(public_text)
        self.wrong = wrong


class UrlExpired(UpstreamLost):
    """The VncUrl's life was over before the connection was open: a fresh one may do better."""


class UpstreamRefused(UpstreamLost):
    """A proxy or the gateway refused for good: trying again changes nothing.

    Args:
        code: A word for the close reason, such as `ProxyRefused`; the same as for calls of the API.
    """

    close_code = CloseCode.UPSTREAM_REFUSED

    def __init__(self, public_text: str, code: str) -> None:
        super().__init__(public_text)
        self.code = code

    def close_reason(self) -> CloseReason:
        """4502 with the word."""
        return CloseReason(self.close_code, self.side, self.public_text, self.code)


class CertificateRefused(UpstreamRefused):
    """The gateway's TLS certificate fails verification."""

    def __init__(self, public_text: str) -> None:
        super().__init__(public_text, "CertificateUnverified")


class Throttled(UpstreamError):  # noqa: N818 - the contract's word
    """The wait for the reconnect budget would be longer than max_wait.

    Args:
        wait_s: How long it would be.
    """

    side = Side.DAEMON
    close_code = CloseCode.THROTTLED

    def __init__(self, wait_s: float) -> None:
        super().__init__(
            Text(
                "this instance was opened too often in the last minute; "
                "the next connection is allowed in {wait_s} s",
                wait_s=math.ceil(wait_s),
            )
        )
        self.wait_s = wait_s
