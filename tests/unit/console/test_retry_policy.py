"""Which failures are worth another try, what viewers hear that waited in vain, who is to blame."""

from __future__ import annotations

import pytest

from vncproxy.console.retry_policy import (
    LINKS_IN_A_ROW,
    LONGEST_PAUSE_S,
    NO_CONSOLE_PAUSE_S,
    SOON_S,
    THROTTLED_LONGEST_S,
    THROTTLED_PAUSE_S,
    OffenderWatch,
    Pause,
    Pauses,
    after_waiting,
)
from vncproxy.errors import (
    CertificateRefused,
    CloudError,
    CloudErrorKind,
    LedgerError,
    LedgerSlow,
    LedgerUnusable,
    LocalError,
    Side,
    Throttled,
    UpstreamLost,
    UpstreamProtocolError,
    UpstreamRefused,
    UrlExpired,
    VncPasswordError,
    VncproxyError,
)


def cloud(
    kind: CloudErrorKind, code: str = "Code", retry_after_s: float | None = None
) -> CloudError:
    return CloudError("the cloud said no", kind, code=code, retry_after_s=retry_after_s)


@pytest.mark.parametrize(
    ("error", "asked_s"),
    [
        (cloud(CloudErrorKind.PERMANENT), None),
        (cloud(CloudErrorKind.CREDENTIALS), None),
        (cloud(CloudErrorKind.CLOCK), None),
        (cloud(CloudErrorKind.WAITS), 0.0),
        (cloud(CloudErrorKind.TRANSIENT), 0.0),
        (cloud(CloudErrorKind.TRANSIENT, retry_after_s=7.0), 7.0),
        (UpstreamLost("gone"), 0.0),
        (UrlExpired("too late"), 0.0),
        (CertificateRefused("not trusted"), None),
        (UpstreamRefused("no", "ProxyRefused"), None),
        (UpstreamProtocolError("not RFB"), None),
        (VncPasswordError("wrong"), None),
        (Throttled(80.0), None),
        (LedgerError("can't be written"), 0.0),
        (LedgerSlow("doesn't answer"), 0.0),
        (LedgerUnusable("is damaged"), None),
        (LocalError("a fault"), None),
    ],
)
def test_what_another_try_may_mend(error: VncproxyError, asked_s: float | None) -> None:
    """Every kind of failure is retried or not as the design's table says."""
    pause = pauses().after(error)
    assert (pause.asked_s if pause is not None else None) == asked_s


def pauses(chance: float = 0.5) -> Pauses:
    """Pauses that begin at 2 s."""
    return Pauses(2.0, lambda: chance)


STOPPED = cloud(CloudErrorKind.WAITS, "IncorrectInstanceStatus")
BUSY = cloud(CloudErrorKind.TRANSIENT, "Throttling.User")


@pytest.mark.parametrize("chance", [0.0, 0.5, 0.999])
def test_a_stopped_instance_is_asked_soon_and_not_all_the_time(chance: float) -> None:
    """The pauses grow to 5 s and no further; hardly scattered, so that none is very short."""
    chosen = pauses(chance)
    own = [pause.own_s for _ in range(8) if (pause := chosen.after(STOPPED)) is not None]
    assert own[0] <= 2.0 < own[1]
    assert all(0.9 * NO_CONSOLE_PAUSE_S <= pause_s <= NO_CONSOLE_PAUSE_S for pause_s in own[3:])


def test_a_throttled_call_waits_a_minute_then_longer() -> None:
    """Where the cloud names no time; a viewer may cut it short."""
    chosen = pauses(0.0)
    assert [chosen.after(BUSY) for _ in range(5)] == [
        Pause(0.0, own_s) for own_s in (60.0, 120.0, 240.0, 480.0, 480.0)
    ]
    assert (THROTTLED_PAUSE_S, THROTTLED_LONGEST_S) == (60.0, 480.0)
    later = pauses(0.999).after(BUSY)
    assert later is not None
    assert 65 < later.own_s < 66, "many consoles don't come back together"


def test_the_time_that_the_cloud_names_is_kept() -> None:
    """Nobody cuts it short, and the daemon's own scatter comes on top."""
    named = cloud(CloudErrorKind.TRANSIENT, "Throttling.User", retry_after_s=7.0)
    assert pauses().after(named) == Pause(7.0, 1.0)


def test_each_cause_has_pauses_of_its_own() -> None:
    """A stopped instance doesn't make the next loss wait longer; a good link resets all."""
    chosen = pauses()
    for _ in range(6):
        chosen.after(STOPPED)
        chosen.after(BUSY)
    assert chosen.after(UpstreamLost("gone")) == Pause(0.0, 1.0)
    for _ in range(6):
        chosen.after(UpstreamLost("gone"))
    assert chosen.after(UpstreamLost("gone")) == Pause(0.0, LONGEST_PAUSE_S / 2)
    chosen.reset()
    assert chosen.after(UpstreamLost("gone")) == Pause(0.0, 1.0)
    assert chosen.after(STOPPED) == Pause(0.0, 1.9)
    throttled = chosen.after(BUSY)
    assert throttled is not None
    assert throttled.own_s == 1.05 * THROTTLED_PAUSE_S


@pytest.mark.parametrize(
    ("failure", "code", "reason"),
    [
        (None, 4504, "upstream-lost"),
        (UpstreamLost("gone"), 4504, "upstream-lost"),
        (cloud(CloudErrorKind.TRANSIENT, code=""), 4504, "upstream-lost"),
        (
            cloud(CloudErrorKind.WAITS, code="IncorrectInstanceStatus"),
            4502,
            "upstream-refused: IncorrectInstanceStatus",
        ),
        (VncPasswordError("wrong"), 4401, "vnc-password"),
        (UpstreamRefused("no", "ProxyRefused"), 4502, "upstream-refused: ProxyRefused"),
    ],
)
def test_what_a_viewer_gets_after_max_wait(
    failure: VncproxyError | None, code: int, reason: str
) -> None:
    """The close code follows the last failure: a cloud that names a code has refused."""
    close_reason = after_waiting(failure)
    assert (int(close_reason.code), close_reason.reason) == (code, reason)


def test_the_last_failure_is_reported_in_words() -> None:
    """A link that couldn't be had is explained, not only coded."""
    assert after_waiting(UpstreamLost("the gateway can't be reached")).text == (
        "the gateway can't be reached"
    )


def test_a_ledger_that_can_not_be_had_is_blamed_on_the_daemon() -> None:
    """Not on the cloud: its disk, or its store, in words."""
    close_reason = after_waiting(
        LedgerError("the reconnect ledger can't be written: the disk is full")
    )
    assert (int(close_reason.code), close_reason.side) == (4504, Side.DAEMON)
    assert close_reason.text == "the reconnect ledger can't be written: the disk is full"


SENT_AT = 100.0


def lose(watch: OffenderWatch, *, after_s: float = 0.1, received_s: float = -0.1) -> str | None:
    """Whom the watch blames for a link that was sent new settings and ended.

    Args:
        watch: Has followed the link.
        after_s: The link's end, after the settings.
        received_s: Its last byte, after the settings.
    """
    watch.link_started()
    watch.settings_sent(SENT_AT)
    return watch.link_lost(SENT_AT + after_s, SENT_AT + received_s)


def chosen_by(viewer_id: str) -> OffenderWatch:
    """A watch that knows whose settings are sent."""
    watch = OffenderWatch()
    watch.chosen_by = viewer_id
    return watch


def test_three_in_a_row_speak_against_a_viewer() -> None:
    """Not fewer; afterwards the row begins anew."""
    watch = chosen_by("ann")
    for _ in range(2):
        assert [lose(watch) for _ in range(LINKS_IN_A_ROW)] == [None, None, "ann"]


@pytest.mark.parametrize("how", [{"after_s": SOON_S + 0.1}, {"received_s": 0.05}])
def test_a_link_that_took_the_settings_breaks_the_row(how: dict[str, float]) -> None:
    """It lived on, or the server went on talking."""
    watch = chosen_by("ann")
    assert [lose(watch), lose(watch), lose(watch, **how)] == [None] * 3
    assert [lose(watch), lose(watch)] == [None] * 2
    assert lose(watch) == "ann"


def test_a_link_that_was_sent_nothing_speaks_against_nobody() -> None:
    """A gateway that greets and hangs up is weather."""
    watch = chosen_by("ann")
    for _ in range(5):
        watch.link_started()
        assert watch.link_lost(SENT_AT, SENT_AT - 0.1) is None


@pytest.mark.parametrize("how", [{"after_s": SOON_S}, {"received_s": 0.0}])
def test_at_the_border_a_link_speaks_against_a_viewer(how: dict[str, float]) -> None:
    """What came at the moment of the telling was sent before."""
    watch = chosen_by("ann")
    assert [lose(watch, **how) for _ in range(LINKS_IN_A_ROW)] == [None, None, "ann"]


def test_what_the_lost_link_was_sent_does_not_count_for_the_next() -> None:
    """It ends before anything is sent to it."""
    watch = chosen_by("ann")
    for _ in range(2 * LINKS_IN_A_ROW):
        watch.settings_sent(SENT_AT)
        watch.link_started()
        assert watch.link_lost(SENT_AT + 0.1, SENT_AT - 0.1) is None


def test_another_s_choice_begins_another_row() -> None:
    """Each answers for his own."""
    watch = chosen_by("ann")
    assert [lose(watch), lose(watch)] == [None] * 2
    watch.chosen_by = "bob"
    assert [lose(watch), lose(watch), lose(watch)] == [None, None, "bob"]
