"""The recordings of one console: one for each session that has to be recorded.

What happens to them is shown on the viewer's page, logged, and recorded by the audit.
"""

from __future__ import annotations

import time

import structlog

from vncproxy.audit.log import Audit
from vncproxy.console.audit_entries import recorded, recording_changed
from vncproxy.console.message_router import MessageRouter
from vncproxy.console.page_messages import Pages, notice
from vncproxy.console.recorder import Recorder
from vncproxy.console.viewer import ViewerIdentity
from vncproxy.errors import CloseCode, CloseReason, RecordingError, Side
from vncproxy.instances.instance_list import ConsoleInstance
from vncproxy.recording.file_format import Header
from vncproxy.recording.recordings import Recordings
from vncproxy.recording.writer_thread import RecordingWriter, Result
from vncproxy.rfb.screen_state import ScreenState

_log = structlog.get_logger("vncproxy.recording")

OPAQUE = (
    "This session has to be recorded, and it can't be: the instance speaks a kind of VNC that "
    "vncproxy doesn't know."
)
_TOO_LONG = CloseReason(
    CloseCode.SESSION_LIMIT,
    Side.DAEMON,
    "The recording of this session is as long as one may be: a quarter of what all may take. "
    "Connect again, and another one begins.",
)
_AGAIN = "This session is recorded again."


async def check_recording(recordings: Recordings | None, *, opaque: bool) -> None:
    """Find out whether a session could be recorded now.

    Args:
        recordings: The daemon's; None: it has no place for any.
        opaque: Whether the session's console is.

    Raises:
        RecordingError: It couldn't.
    """
    if opaque:
        raise RecordingError(OPAQUE)
    await _place(recordings).check()


def _place(recordings: Recordings | None) -> Recordings:
    if recordings is None:
        raise RecordingError("This session has to be recorded, and there is no place for it.")
    return recordings


class SessionRecordings:
    """See the module.

    Attributes:
        instance, audit, router, pages: As given.
    """

    def __init__(
        self,
        instance: ConsoleInstance,
        recordings: Recordings | None,
        audit: Audit,
        router: MessageRouter,
        pages: Pages,
    ) -> None:
        """Nothing is recorded yet.

        Args:
            instance: Whose console it is.
            recordings: The daemon's; None: it has no place for any.
            audit: Where their beginnings and ends are recorded.
            router: Shows the screen to recorders.
            pages: Where problems are shown.
        """
        self.instance = instance
        self.audit = audit
        self.router = router
        self.pages = pages
        self._recordings = recordings
        self._running: dict[str, _SessionRecording] = {}

    @property
    def is_recording(self) -> bool:
        """Whether what the screen shows is being recorded, for any viewer."""
        return any(one.listener.works for one in self._running.values())

    def records(self, viewer_id: str) -> bool:
        """Whether this viewer's session is being recorded."""
        session = self._running.get(viewer_id)
        return session is not None and session.listener.works

    @property
    def required(self) -> bool:
        """Whether a session that isn't recorded any more is ended."""
        return self._recordings is not None and self._recordings.required

    async def check(self, who: ViewerIdentity, *, opaque: bool) -> None:
        """Find out whether this session could begin.

        Raises:
            RecordingError: It has to be recorded, and couldn't be.
        """
        if who.record:
            await check_recording(self._recordings, opaque=opaque)

    async def begin(self, who: ViewerIdentity) -> None:
        """Make the file of a session that has to be recorded, once.

        Raises:
            RecordingError: It can't be made.
        """
        if who.record and who.id not in self._running:
            listener = _WriterListener(self, who)
            place = _place(self._recordings)
            writer = await place.begin(_header(self.instance, who), listener)
            self._running[who.id] = _SessionRecording(writer, listener)
            _log.info(
                "recording.began",
                instance=self.instance.id,
                viewer=who.id,
                user=who.user,
                file=writer.name,
            )

    def joined(self, viewer_id: str) -> None:
        """The viewer is on: record what it sees."""
        if (session := self._running.get(viewer_id)) is not None:
            self.router.record(viewer_id, session.recorder)
            session.listener.end_if_required()

    def discard(self, viewer_id: str) -> None:
        """The session didn't come about: nothing is left of its recording."""
        if (session := self._running.pop(viewer_id, None)) is not None:
            session.writer.discard()

    def end(self, viewer_id: str) -> None:
        """The session is over."""
        if (session := self._running.pop(viewer_id, None)) is not None:
            session.end()


class _SessionRecording:
    """One of them: from the screen to its file."""

    def __init__(self, writer: RecordingWriter, listener: _WriterListener) -> None:
        self.writer = writer
        self.listener = listener
        self._recorder: Recorder | None = None

    def recorder(self, memory: ScreenState) -> Recorder:
        """What watches the screen for it."""
        began_at = self.listener.began_at
        self._recorder = Recorder(memory, self.writer, time.monotonic, began_at=began_at)
        return self._recorder

    def end(self) -> None:
        """Write what is left."""
        if self._recorder is not None:
            self._recorder.session_ended()
        self.writer.close(round(self.listener.age_s * 1000))


class _WriterListener:
    """Carries what happens to one recording's file to the log, the audit and the viewer's page."""

    def __init__(self, owner: SessionRecordings, who: ViewerIdentity) -> None:
        self.problem: str | None = None
        self.began_at = time.monotonic()
        self._owner = owner
        self._who = who

    @property
    def age_s(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self.began_at

    @property
    def works(self) -> bool:
        """Whether what the screen shows is in the file, or on its way there."""
        return self.problem is None

    def end_if_required(self) -> None:
        """End a session that may not go on unrecorded."""
        viewer = self._owner.router.viewers.get(self._who.id)
        if self.problem is not None and self._owner.required and viewer is not None:
            self._owner.pages.end_viewer(viewer, _not_recorded(self.problem))

    def recording_has_room(self) -> None:
        """It can go on: the screen may have to be asked for its picture."""
        self._owner.router.pump()

    def recording_troubled(self, name: str, problem: str | None) -> None:
        """The disk is full or doesn't answer, or it is well again."""
        self.problem = problem
        owner, who = self._owner, self._who
        log = _log.error if problem else _log.info
        log(
            "recording.failed" if problem else "recording.resumed",
            instance=owner.instance.id,
            viewer=who.id,
            user=who.user,
            file=name,
            text=problem,
        )
        owner.audit.record_later(recording_changed(owner.instance, who, name, problem))
        text = f"What you see isn't recorded at the moment. {problem}" if problem else _AGAIN
        owner.pages.notify(who.id, notice(text, "warning" if problem else "info"))
        owner.pages.changed()
        self.end_if_required()

    def recording_too_long(self) -> None:
        """The session ends, and may begin anew: to go on unrecorded would be a way out."""
        if (viewer := self._owner.router.viewers.get(self._who.id)) is not None:
            self._owner.pages.end_viewer(viewer, _TOO_LONG)

    def recording_ended(self, result: Result) -> None:
        """The file is closed."""
        owner, who = self._owner, self._who
        _log.info(
            "recording.ended",
            instance=owner.instance.id,
            viewer=who.id,
            user=who.user,
            file=result.name,
            bytes=result.size_bytes,
            sha256=result.sha256,
            text=result.problem,
        )
        owner.audit.record_later(recorded(owner.instance, who, result, self.age_s))


def _not_recorded(problem: str) -> CloseReason:
    return CloseReason(CloseCode.KICKED, Side.DAEMON, problem)


def _header(instance: ConsoleInstance, who: ViewerIdentity) -> Header:
    return Header(
        instance=instance.id,
        viewer=who.id,
        user=who.user,
        started_at="",
        alias=instance.alias,
        region=instance.region,
        address=who.address,
        door=who.door,
    )
