"""The audit's entries about a console's sessions. Pure: facts in, entries out."""

from __future__ import annotations

from typing import Any

from vncproxy.audit.record import Entry, Event
from vncproxy.console.viewer import Viewer, ViewerIdentity
from vncproxy.errors import AccessError, CloseReason
from vncproxy.instances.instance_list import ConsoleInstance
from vncproxy.recording.writer_thread import Result


def opened(instance: ConsoleInstance, who: ViewerIdentity) -> Entry:
    """Somebody comes, to control or only to watch."""
    return Entry(
        event=Event.OPEN if who.may_control else Event.VIEW, **_session(instance, who.id, who)
    )


def closed(instance: ConsoleInstance, viewer: Viewer, links: tuple[str, ...]) -> Entry:
    """A session is over.

    Args:
        instance: Whose console it was on.
        viewer: It has ended.
        links: The names of the upstream connections that it used.
    """
    end = viewer.end
    assert end is not None, "it is over"
    return Entry(
        event=Event.CLOSE,
        **_session(instance, viewer.id, viewer.identity),
        links=links,
        bytes_in=viewer.bytes_in,
        bytes_out=viewer.bytes_out,
        seconds=round(viewer.age_s, 1),
        **_end(end),
    )


def never_began(instance: ConsoleInstance, who: ViewerIdentity, end: CloseReason) -> Entry:
    """A session that was recorded as opened didn't come about."""
    return Entry(event=Event.CLOSE, **_session(instance, who.id, who), **_end(end))


def turned_away(instance: ConsoleInstance, who: ViewerIdentity, refusal: AccessError) -> Entry:
    """A native viewer is refused."""
    return Entry(
        event=Event.REFUSAL,
        **_session(instance, who.id, who),
        code=refusal.status,
        reason=refusal.word,
        text=refusal.public_text,
    )


def recorded(
    instance: ConsoleInstance, who: ViewerIdentity, result: Result, seconds: float
) -> Entry:
    """A session's recording is complete: whether it was changed since shows by its hash."""
    return Entry(
        event=Event.RECORDED,
        **_session(instance, who.id, who),
        file=result.name,
        size_bytes=result.size_bytes,
        sha256=result.sha256,
        seconds=round(seconds, 1),
        text=result.problem,
    )


def recording_changed(
    instance: ConsoleInstance, who: ViewerIdentity, file: str, problem: str | None
) -> Entry:
    """A session that has to be recorded isn't, because of a problem; or without one, is again."""
    return Entry(
        event=Event.RECORDING_FAILED if problem else Event.RECORDING_RESUMED,
        **_session(instance, who.id, who),
        file=file,
        text=problem,
    )


def got_control(
    event: Event,
    instance: ConsoleInstance,
    viewer_id: str,
    who: ViewerIdentity | None,
    other: ViewerIdentity | None,
    text: str | None = None,
) -> Entry:
    """A viewer controls, or no longer.

    Args:
        event: One of `CONTROL_…`.
        instance: Whose console it is.
        viewer_id: The viewer's.
        who: Is behind it; None if it has left.
        other: The one before or after it.
        text: Why, in words.
    """
    return Entry(
        event=event,
        **_session(instance, viewer_id, who),
        other=other.user if other is not None else None,
        other_viewer=other.id if other is not None else None,
        text=text,
    )


def _session(
    instance: ConsoleInstance, viewer_id: str, who: ViewerIdentity | None
) -> dict[str, Any]:
    names = {
        "instance": instance.id,
        "alias": instance.alias,
        "region": instance.region,
        "viewer": viewer_id,
    }
    if who is None:
        return names
    return names | {
        "user": who.user,
        "identity": who.how or None,
        "door": who.door,
        "address": who.address,
        "rule": who.rule or None,
    }


def _end(end: CloseReason) -> dict[str, Any]:
    return {
        "side": end.side.value,
        "code": int(end.code),
        "reason": end.reason,
        "text": end.text or None,
    }
