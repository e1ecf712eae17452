"""Who has a console: what is refused, and what a single daemon answers."""

from __future__ import annotations

from vncproxy.cluster.ownership import LEASE_S, RENEW_INTERVAL_S, LocalOwnership, Owner
from vncproxy.errors import REASON_MAX_BYTES, CloseCode, Side


def test_the_refusal_says_who_and_where() -> None:
    """As an answer it is 409, as a close code 4421; both name the other daemon."""
    refusal = Owner("bastion-2", "https://bastion-2.example.com").refusal()
    assert (refusal.status, refusal.word) == (409, "elsewhere")
    assert refusal.public_text == (
        "Another vncproxy has this console: bastion-2. Open it there: https://bastion-2.example.com"
    )
    reason = refusal.close_reason()
    assert (reason.code, reason.side) == (CloseCode.ELSEWHERE, Side.DAEMON)
    assert reason.text == refusal.public_text
    assert reason.reason == "elsewhere"
    assert len(reason.reason.encode()) <= REASON_MAX_BYTES


def test_without_an_address_only_the_name_is_reported() -> None:
    """Where the other daemon has no url."""
    text = Owner("bastion-2").refusal().public_text
    assert text == "Another vncproxy has this console: bastion-2. Open it there."


def test_two_renewals_may_fail() -> None:
    """A claim outlives two that went wrong, with time for the calls."""
    assert 2 * RENEW_INTERVAL_S + 2 * 2.0 < LEASE_S


async def test_a_single_daemon_owns_everything() -> None:
    """It never meets another."""
    ownership = LocalOwnership()
    assert await ownership.claim("i-1") is None
    assert await ownership.owner("i-1") is None
    assert await ownership.renew(["i-1"]) == {}
    await ownership.release("i-1")
    await ownership.close()
