"""What the audit records of sessions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.console.fakes import FakeTransport
from vncproxy.audit.record import Event
from vncproxy.console.audit_entries import (
    closed,
    got_control,
    never_began,
    opened,
    recorded,
    recording_changed,
    turned_away,
)
from vncproxy.console.viewer import Viewer, ViewerIdentity
from vncproxy.console.viewer_limits import ViewerLimits
from vncproxy.errors import AccessError, CloseCode, CloseReason, Side
from vncproxy.instances.instance_list import ConsoleInstance
from vncproxy.recording.writer_thread import Result

INSTANCE = ConsoleInstance("i-1", "cn-hangzhou", "web-1", password="abc123")
ANN = ViewerIdentity("v-1", "ann", "127.0.0.1", "local", has_page=True, how="cookie", rule="rule 2")
BOB = ViewerIdentity("v-2", "bob", "unix", "bastion")
SESSION = {
    "instance": "i-1",
    "alias": "web-1",
    "region": "cn-hangzhou",
    "viewer": "v-1",
    "user": "ann",
    "identity": "cookie",
    "door": "local",
    "address": "127.0.0.1",
    "rule": "rule 2",
}
KICKED = CloseReason(CloseCode.KICKED, Side.DAEMON, "an administrator ended it")


def test_who_opens_what_from_where_by_which_identity_and_rule() -> None:
    """Watching is distinguished from controlling."""
    assert opened(INSTANCE, ANN).given() == {"event": "open", **SESSION}
    watching = opened(INSTANCE, replace(ANN, may_control=False))
    assert watching.given() == {"event": "view", **SESSION}


def test_what_the_door_does_not_know_is_left_out() -> None:
    """No empty words in the record."""
    assert set(opened(INSTANCE, BOB).given()) == {
        *("event", "instance", "alias", "region", "viewer", "user", "door", "address")
    }


async def test_how_a_session_ended() -> None:
    """With what it used: links, bytes, time; and the reason in the contract's words."""
    viewer = Viewer(ANN, FakeTransport(), ViewerLimits(0.0, 0.0, 30.0, 1 << 20))
    viewer.bytes_in, viewer.bytes_out = 5, 700
    viewer.close(KICKED)
    await viewer.abandon()
    entry = closed(INSTANCE, viewer, ("l-1", "l-2")).given()
    assert entry.pop("seconds") == pytest.approx(0.0, abs=5.0)
    assert entry == {
        "event": "close",
        **SESSION,
        "links": ["l-1", "l-2"],
        "bytes_in": 5,
        "bytes_out": 700,
        "side": "daemon",
        "code": 4403,
        "reason": "kicked",
        "text": "an administrator ended it",
    }


def test_a_session_that_did_not_come_about_ends_too() -> None:
    """Every opening has its end."""
    left = CloseReason(CloseCode.VIEWER_LEFT, Side.VIEWER)
    assert never_began(INSTANCE, ANN, left).given() == {
        "event": "close",
        **SESSION,
        "side": "viewer",
        "code": 1000,
        "reason": "viewer-left",
    }


def test_a_native_viewer_that_is_refused() -> None:
    """Who was, at which port, from where and why."""
    refusal = AccessError(403, "not-allowed", "No.")
    assert turned_away(INSTANCE, ANN, refusal).given() == {
        "event": "refusal",
        **SESSION,
        "code": 403,
        "reason": "not-allowed",
        "text": "No.",
    }


def test_who_got_control_and_over_whom() -> None:
    """Also of a viewer that has left, of which only the id is known."""
    entry = got_control(Event.CONTROL_TAKEN, INSTANCE, "v-1", ANN, BOB, "why")
    assert entry.given() == {
        "event": "control-taken",
        **SESSION,
        "other": "bob",
        "other_viewer": "v-2",
        "text": "why",
    }
    gone = got_control(Event.CONTROL_LOST, INSTANCE, "v-9", None, None).given()
    assert gone == {
        "event": "control-lost",
        "instance": "i-1",
        "alias": "web-1",
        "region": "cn-hangzhou",
        "viewer": "v-9",
    }


def test_a_recording_with_its_hash() -> None:
    """Whether the file was changed since can be seen in the audit; so can what is missing."""
    entry = recorded(INSTANCE, ANN, Result("x.vncrec", 123, "ab" * 32, "the disk is full"), 7.04)
    assert entry.given() == {
        "event": "recorded",
        **SESSION,
        "file": "x.vncrec",
        "size_bytes": 123,
        "sha256": "ab" * 32,
        "seconds": 7.0,
        "text": "the disk is full",
    }


def test_a_recording_that_stops_and_goes_on() -> None:
    """Since when, which session, and why."""
    failed = recording_changed(INSTANCE, ANN, "x.vncrec", "the disk is full")
    assert failed.given() == {
        "event": "recording-failed",
        **SESSION,
        "file": "x.vncrec",
        "text": "the disk is full",
    }
    again = recording_changed(INSTANCE, ANN, "x.vncrec", None)
    assert again.given() == {"event": "recording-resumed", **SESSION, "file": "x.vncrec"}
