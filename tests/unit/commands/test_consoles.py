"""`vncproxy consoles`, against a daemon."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from tests.setup import until
from tests.unit.commands.surroundings import Installation
from vncproxy.commands.consoles import NOTHING, consoles, frame, table, watch
from vncproxy.commands.daemon_client import NoDaemonError
from vncproxy.commands.kick import kick
from vncproxy.errors import AccessError
from vncproxy.observe.times import utc_text


@pytest.mark.sockets
async def test_what_is_open_and_its_end(installation: Installation) -> None:
    """A viewer is listed and sent away alone, then the console with the other one."""
    config = installation.config()
    async with installation.daemon(config) as setup:
        assert await consoles(config, {}) == []
        setup.http.headers["Authorization"] = (
            f"Bearer {(installation.folder / 'state' / 'token').read_text().strip()}"
        )
        first, second = await setup.viewer(), await setup.viewer()
        await until(lambda: first.decoder.updates and second.decoder.updates, "pictures")
        (row,) = await consoles(config, {})
        assert row["alias"] == "demo"
        assert len(row["viewers"]) == 2
        assert len(table([row], time.time())) == 5
        await kick(config, {}, "demo", row["viewers"][0]["id"])
        assert await first.ended() == 4403
        (row,) = await consoles(config, {})
        assert len(row["viewers"]) == 1
        with pytest.raises(AccessError):
            await kick(config, {}, "demo", "v-nobody")
        await kick(config, {}, row["instance"], None)
        assert await second.ended() == 4403
        with pytest.raises(AccessError):
            await kick(config, {}, "../healthz", None)


@pytest.mark.sockets
async def test_watching(installation: Installation) -> None:
    """Shown again and again until somebody ends it."""
    config = installation.config()
    shown: list[Any] = []
    async with installation.daemon(config):
        watching = asyncio.create_task(watch(config, {}, shown.append, interval_s=0.01))
        await until(lambda: len(shown) > 2, "three looks")
        watching.cancel()
        await asyncio.wait([watching])
    assert shown[0] == []


@pytest.mark.sockets
async def test_without_a_daemon(installation: Installation) -> None:
    """Nothing is open, and that is reported as what it is."""
    with pytest.raises(NoDaemonError):
        await consoles(installation.config(), {})


# What `vncproxy consoles` prints


NOW = 10_000.0
VIEWER = {
    "id": "v-0a1b2c3d4e",
    "user": "ann",
    "from": "203.0.113.77",
    "role": "control",
    "asks": False,
    "since": utc_text(NOW - 602),
}
ROW: dict[str, Any] = {
    "alias": "web-1",
    "state": "running",
    "since": utc_text(NOW - 3720),
    "link_age_s": 61.0,
    "keepalive": "any",
    "viewers": [VIEWER],
}
FLOW = {"bytes": 5_000_000, "bytes_per_s": 1_234_567}
DETAILS: dict[str, Any] = {
    "text": "Connected.",
    "wait_s": None,
    "error": None,
    "recorded": True,
    "from_cloud": FLOW,
    "to_cloud": {"bytes": 10, "bytes_per_s": 312},
    "budget": {"used": 3, "limit": 29, "left": 26, "window_s": 61.0, "next_free_s": 0.0},
    "budget_problem": None,
    "viewers": [
        VIEWER
        | {
            "identity": "cookie",
            "rule": "rule 2",
            "record": True,
            "recorded": True,
            "input_age_s": 3.2,
            "to_viewer": FLOW,
            "from_viewer": {"bytes": 10, "bytes_per_s": 0},
        }
    ],
}


def test_a_console_with_its_viewer() -> None:
    """In human units, below headings, and not wider than a terminal."""
    consoles, viewers, console, viewer = table([ROW | DETAILS], NOW)
    assert consoles.split()[:5] == ["CONSOLE", "STATE", "OPEN", "LINK", "KEEPALIVE"]
    assert viewers.split()[:5] == ["VIEWER", "USER", "FROM", "ROLE", "ON"]
    assert " ".join(console.split()) == (
        "web-1 running 1h02m 1m01s any 1.2 MB/s 312 B/s 26 of 29 recorded"
    )
    assert " ".join(viewer.split()) == (
        "v-0a1b2c3d4e ann 203.0.113.77 control 10m02s 3s ago 1.2 MB/s 0 B/s cookie, rule 2"
    )
    assert viewer.startswith("  v-")
    assert viewer.index("203.0") == viewers.index("FROM")
    assert console.index("26 of") == consoles.index("BUDGET LEFT")
    assert max(map(len, (consoles, viewers, console, viewer))) <= 120


def test_what_somebody_else_may_see() -> None:
    """Who isn't an administrator is told less, and sees where something is left out."""
    *_, console, viewer = table([ROW], NOW)
    assert console.split() == ["web-1", "running", "1h02m", "1m01s", "any", "-", "-", "-"]
    assert viewer.split()[-4:] == ["-", "-", "-", "-"]


def test_nothing_open() -> None:
    """That is said, too."""
    assert table([], NOW) == [NOTHING]


def test_several_consoles_keep_their_viewers() -> None:
    """Each viewer is below its own console; one without any has only its line."""
    other = VIEWER | {"id": "v-2", "user": "bob", "asks": True, "role": "watch"}
    rows = [
        ROW | {"alias": "empty", "viewers": [], "link_age_s": None, "state": "opaque"},
        ROW | {"viewers": [VIEWER, other]},
    ]
    first, second, third, fourth = table(rows, NOW)[2:]
    assert first.split()[:5] == ["empty", "opaque", "1h02m", "-", "none"]
    assert second.startswith("web-1")
    assert third.split()[0] == "v-0a1b2c3d4e"
    assert "watch, asks" in fourth
    assert len(table(rows[:1], NOW)) == 2, "no heading for viewers where there are none"


def test_what_goes_wrong_is_shown_below_the_console() -> None:
    """A wait, an error with its code, a ledger that can't be read, a disk that is full."""
    (viewer,) = DETAILS["viewers"]
    row = (
        ROW
        | DETAILS
        | {
            "state": "waiting-budget",
            "text": "Waiting for a permit.",
            "wait_s": 12.4,
            "error": {"code": "Throttling.User", "text": "the cloud is busy"},
            "budget": None,
            "budget_problem": "the disk is full",
            "viewers": [viewer | {"recorded": False}],
        }
    )
    lines = table([row], NOW)
    assert lines[3:7] == [
        "  Waiting for a permit. In 12s.",
        "  The last try failed: the cloud is busy (Throttling.User)",
        "  The budget isn't known: the disk is full",
        "  v-0a1b2c3d4e should be recorded and isn't at the moment.",
    ]
    assert lines[7].split()[0] == "v-0a1b2c3d4e"


def test_a_budget_that_is_used_up() -> None:
    """It says when the next one is free."""
    budget = DETAILS["budget"] | {"left": 0, "next_free_s": 41.6}
    console = table([ROW | DETAILS | {"budget": budget}], NOW)[2]
    assert "0 of 29, next in 42s" in console


def test_a_console_that_waits_for_the_budget() -> None:
    """Its own wait is the one time that is told."""
    budget = DETAILS["budget"] | {"left": 0, "next_free_s": 55.0}
    own = {"state": "waiting-budget", "text": "Waiting for a permit.", "wait_s": 46.0}
    lines = table([ROW | DETAILS | own | {"budget": budget}], NOW)
    assert "0 of 29" in lines[2]
    assert "next in" not in lines[2]
    assert lines[3] == "  Waiting for a permit. In 46s."


def test_a_frame_is_drawn_over_the_one_before() -> None:
    """From the top, each line to its end, and what is left below goes: nothing is cleared first."""
    drawn = frame(["one", "a long line"], columns=7, height=10)
    assert drawn == "\x1b[Hone\x1b[K\na long\x1b[K\n\x1b[J"


def test_a_frame_that_is_too_high() -> None:
    """A terminal that scrolled would show the end of a list that it can't hold."""
    lines = [f"line {number}" for number in range(10)]
    drawn = frame(lines, columns=80, height=5).removesuffix("\x1b[J").split("\n")
    assert drawn[:3] == ["\x1b[Hline 0\x1b[K", "line 1\x1b[K", "line 2\x1b[K"]
    assert drawn[3:] == ["… and 7 more lines\x1b[K", ""]
