"""`vncproxy sessions`: what it asks for, and what it prints."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from tests.past import AuditWriterForTests, closed, opened
from tests.setup import running
from tests.unit.commands.surroundings import options_of, refuses
from tests.unit.web.past_site import patient
from vncproxy.cli import main
from vncproxy.commands import daemon_client
from vncproxy.commands import sessions as command
from vncproxy.commands.command import DONE, FAILED, part_of_name
from vncproxy.commands.daemon_client import DaemonClient
from vncproxy.commands.sessions import moment, notes, sessions, table
from vncproxy.web.past_query import past_query

NOW = datetime(2026, 11, 30, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("90m", "2026-11-30T10:30:00Z"),
        ("12h", "2026-11-30T00:00:00Z"),
        ("7d", "2026-11-23T12:00:00Z"),
        ("1w", "2026-11-23T12:00:00Z"),
        ("2026-11-30T08:15:00+01:00", "2026-11-30T07:15:00Z"),
    ],
)
def test_times(text: str, utc: str) -> None:
    assert moment(text, NOW) == utc


@pytest.mark.parametrize("text", ["", "yesterday", "7", "7y", "999999w", "2026-13-01"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="no time"):
        moment(text, NOW)


@pytest.mark.parametrize("option", ["--user", "--instance"])
def test_names_that_the_daemon_would_not_look_for(option: str) -> None:
    """Refused in words before it is asked; what it takes is let through."""
    longest = "é" * 200
    assert vars(options_of("sessions", option, longest))[option[2:]] == longest
    assert past_query({option[2:]: longest})
    assert refuses("sessions", option, f"{longest}x")
    assert refuses("sessions", option, "\udcff")
    with pytest.raises(argparse.ArgumentTypeError, match="at most 200 characters"):
        part_of_name(f"{longest}x")
    with pytest.raises(argparse.ArgumentTypeError, match=r"'.udcff' is no text in UTF-8"):
        part_of_name("\udcff")


ROW = {
    "started_at": "2026-11-30T12:00:00Z",
    "seconds": 61.0,
    "user": "ann",
    "alias": "web-1",
    "instance": "i-1",
    "opened_to": "watch",
    "address": "192.0.2.1",
    "state": "ended",
    "reason": "kicked",
    "text": "An administrator ended it.",
}


def test_the_table() -> None:
    lost = ROW | {"state": "lost", "seconds": None, "alias": "", "opened_to": None}
    lines = table([ROW, lost, ROW | {"state": "open"}])
    assert lines[0].split() == [
        "STARTED",
        "LENGTH",
        "USER",
        "INSTANCE",
        "TO",
        "FROM",
        "ENDED",
        "BY",
    ]
    for word in ("1m01s", "ann", "web-1", "watch", "kicked: An administrator ended it."):
        assert word in lines[1]
    assert "i-1" in lines[2]
    assert "crashed" in lines[2]
    assert lines[3].endswith("(still open)")
    assert table([]) == [command.NOTHING]


def test_a_time_of_this_machines_zone_or_what_stands_there() -> None:
    """Read back, it is the same moment."""
    [_, line] = table([ROW])
    assert datetime.fromisoformat(line[:25]) == NOW
    assert table([ROW | {"started_at": "x"}])[1].startswith("x ")
    assert table([ROW | {"started_at": None}])[1].startswith("- ")


def test_what_is_missing_is_said() -> None:
    found = {"problems": ["A file."], "read": 0.42, "total": 3, "sessions": [ROW]}
    first, second, third = notes(found)
    assert first == "A file."
    assert "42 %" in second
    assert third.startswith("2 older ones")


@pytest.mark.parametrize(
    ("problems", "read", "status"),
    [([], 1.0, DONE), (["The disk is full."], 1.0, FAILED), ([], 0.42, FAILED)],
)
def test_a_program_can_tell_a_part_from_the_whole(
    problems: list[str],
    read: float,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """By the status: no rows may be no sessions, or a list that can't be brought up to date."""
    (tmp_path / "vncproxy.toml").write_text("")

    async def found(*_: object) -> dict[str, Any]:
        return {"sessions": [], "total": 0, "read": read, "problems": problems}

    monkeypatch.setattr(command, "sessions", found)
    assert main(["sessions", "--json", "--config", str(tmp_path / "vncproxy.toml")]) == status
    assert capsys.readouterr().out == "[]\n"


async def test_what_any_page_lacks_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its index may have been made anew between two pages."""
    answers: dict[str, dict[str, Any]] = {
        "": {"sessions": [1], "more": "a", "read": 1.0, "problems": ["A file."]},
        "a": {"sessions": [2], "more": "b", "read": 0.1, "problems": ["A file.", "The disk."]},
        "b": {"sessions": [3], "more": None, "read": 1.0, "problems": []},
    }

    async def call(_: DaemonClient, method: str, path: str) -> dict[str, Any]:
        assert method == "GET"
        return answers[path.partition("before=")[2]]

    monkeypatch.setattr(DaemonClient, "call", call)
    async with ClientSession() as session:
        client = DaemonClient(session, "http://localhost", {}, "a door", "peer")
        found = await client.pages("/api/v1/sessions", {}, "sessions")
    assert found["sessions"] == [1, 2, 3]
    assert found["read"] == 0.1
    assert found["problems"] == ["A file.", "The disk."]


@pytest.mark.sockets
async def test_it_asks_the_daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In pages; what isn't wanted isn't fetched."""
    (tmp_path / "state").mkdir(mode=0o700)
    writer = AuditWriterForTests(tmp_path / "state" / "audit.jsonl")
    for number in range(7):
        writer.add(opened(f"v-{number}", "ann"), closed(f"v-{number}", "ann"))
    writer.add(opened("v-x", "bob"), closed("v-x", "bob"))
    monkeypatch.setattr(daemon_client, "_PAGE_ROWS", 3)
    with patient():
        async with running(tmp_path) as setup:
            config = setup.daemon.config
            everything = await sessions(config, {}, {"user": ""}, None)
            assert len(everything["sessions"]) == 8
            some = await sessions(config, {}, {"user": "an", "since": "2026-01-01T00:00:00Z"}, 3)
            assert [row["viewer"] for row in some["sessions"]] == ["v-6", "v-5", "v-4"]
            assert some["total"] == 7
            assert (await sessions(config, {}, {"user": "carl"}, 3))["sessions"] == []
