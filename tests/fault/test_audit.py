"""The audit of a whole daemon: what it holds, what it never holds, and disks that take nothing."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.disks import Disk
from tests.fault.test_native import PASSWORD, instance, proved
from tests.owner_client import owner_client
from tests.page import page
from tests.setup import Running, running, until
from vncproxy.audit.record import parse
from vncproxy.audit.verification import Verification, verify
from vncproxy.config.model import Audit, Limits
from vncproxy.errors import AuditError
from vncproxy.web import viewer_websockets

FULL = (
    "The audit can't be written: its disk is full. Until it can, nothing is opened and control "
    "stays where it is."
)
MARKER = "xyzzyPlughTyped"
SAFE = 30
"""Times that a process has to say so before it is killed."""


def file_of(folder: Path) -> Path:
    return folder / "state" / "audit.jsonl"


def records(folder: Path, *events: str) -> list[dict[str, Any]]:
    """What the audit holds of these kinds, all if none is named."""
    whole = file_of(folder).read_bytes().rpartition(b"\n")[0]
    lines = [json.loads(line) for line in whole.splitlines()]
    return [line for line in lines if not events or line["event"] in events]


def kinds(folder: Path, *events: str) -> list[str]:
    return [record["event"] for record in records(folder, *events)]


def verdict(folder: Path, head: str | None = None) -> Verification:
    with file_of(folder).open("rb") as lines:
        return verify(lines, head)


def heads(setup: Running) -> list[str]:
    """Those in the log."""
    return [line["hash"] for line in setup.events if line["event"] == "audit.head"]


async def test_a_session_from_log_in_to_log_out(tmp_path: Path) -> None:
    """Who, from where, by which identity, on which instance, by which links, and how it ended."""
    async with running(tmp_path, access="token") as setup:
        owner = owner_client(setup)
        cookie = await owner.log_in()
        viewer = await owner.viewer()
        await viewer.type("a")
        await until(lambda: setup.cloud.typed_text == "a", "the key")
        await viewer.close()
        await until(lambda: "close" in kinds(tmp_path), "the end")
        out = await owner.ask("/api/v1/session", cookie, owner.origin, method="DELETE")
        assert out.status == 204
    assert kinds(tmp_path) == [
        *("start", "login", "open", "control-granted", "control-lost", "close", "logout", "stop")
    ]
    assert verdict(tmp_path, heads(setup)[-1]).intact
    _, login, opened, granted, _, closed, logout, _ = records(tmp_path)
    assert (login["user"], login["identity"], login["door"]) == ("owner", "bearer", "local")
    assert (logout["user"], logout["identity"]) == ("owner", "cookie")
    for record in (opened, granted, closed):
        assert record["user"] == "owner"
        assert record["identity"] == "bearer"
        assert record["address"] == "127.0.0.1"
        assert record["alias"] == "demo"
        assert record["instance"] == setup.cloud.settings.instances[0].instance_id
        assert record["viewer"] == opened["viewer"]
    assert closed["bytes_in"] > 0
    assert closed["bytes_out"] > 0
    assert closed["reason"] == "viewer-left"
    assert closed["links"] == [e["link"] for e in setup.events if e["event"] == "link.opened"]


async def test_no_refusal_is_missing_from_the_sum(tmp_path: Path) -> None:
    """A burst fills no disk, and its size is known at the latest when the daemon has stopped."""
    async with running(tmp_path, access="token") as setup:
        owner = owner_client(setup)
        for _ in range(40):
            answer = await owner.ask("/api/v1/instances", "Authorization: Bearer wrong")
            assert answer.status in (401, 429)
    refusals = records(tmp_path, "refusal")
    assert {one["reason"] for one in refusals} == {"wrong-token", "too-many-attempts"}
    assert sum(one["count"] for one in refusals) == 40
    assert len(refusals) == 4
    assert kinds(tmp_path)[-1] == "stop"


async def test_every_record_is_in_the_log_too(tmp_path: Path) -> None:
    """With its number, so that the two can be compared."""
    async with running(tmp_path) as setup:
        await (await setup.viewer()).close()
    logged = [line for line in setup.events if line["event"] == "audit.recorded"]
    assert [(line["seq"], line["what"]) for line in logged] == [
        (record["seq"], record["event"]) for record in records(tmp_path)
    ]


async def test_control_that_changes_hands(tmp_path: Path) -> None:
    """Taken, asked for and granted, given back, left behind: who, and over whom."""
    async with running(tmp_path) as setup:
        first = await page(setup)
        await until(lambda: first.controls, "the first has control")
        second = await page(setup)
        await until(lambda: len(second.roles) == 2, "both are on")
        await second.wish("take")
        await until(lambda: second.controls, "the second takes it")
        await first.wish("request-control")
        await until(lambda: any(m["type"] == "control-request" for m in second.messages), "asked")
        await second.wish("grant", viewer=first.id)
        await until(lambda: first.controls and not second.controls, "the first has it again")
        await second.wish("request-control")
        await until(lambda: any(m["type"] == "control-request" for m in first.messages), "asked")
        await first.leave()
        await until(lambda: second.controls, "the heir")
        await second.wish("release")
        await until(lambda: second.controller is None, "given back")
        await second.wish("request-control")
        await until(lambda: second.controls, "nobody had it")
    moves = [
        (record["event"], record["viewer"], record.get("other_viewer"))
        for record in records(tmp_path, "control-taken", "control-granted", "control-lost")
    ]
    one, two = first.id, second.id
    assert moves[:11] == [
        ("control-granted", one, None),
        ("control-lost", one, two),
        ("control-taken", two, one),
        ("control-lost", two, one),
        ("control-granted", one, two),
        ("control-lost", one, two),
        ("control-granted", two, one),
        ("control-lost", two, None),
        ("control-granted", two, None),
        ("control-lost", two, None),
    ]
    assert verdict(tmp_path).intact


async def test_an_unanswered_request_is_recorded_before_it_is_granted(tmp_path: Path) -> None:
    """As is a viewer that takes control on its way in, and one that only watches."""
    async with running(tmp_path, limits=Limits(control_request_timeout=0.1)) as setup:
        first = await page(setup)
        watcher = await page(setup, view=True)
        taker = await page(setup, take=True)
        await until(lambda: taker.controls and not first.controls, "taken on the way in")
        await first.wish("request-control")
        await until(lambda: first.controls, "unanswered, so granted")
    opened = records(tmp_path, "open", "view")
    assert [(r["event"], r["viewer"]) for r in opened] == [
        ("open", first.id),
        ("view", watcher.id),
        ("open", taker.id),
    ]
    taken, granted = records(tmp_path, "control-taken")[0], records(tmp_path, "control-granted")[1]
    assert (taken["viewer"], taken["other_viewer"]) == (taker.id, first.id)
    assert (granted["viewer"], granted["other_viewer"]) == (first.id, taker.id)
    assert "wasn't answered" in granted["text"]


async def test_kicks_and_refusals(tmp_path: Path) -> None:
    """Who sent whom away; who was refused what, the same again with its count only."""
    async with running(tmp_path, access="token") as setup:
        owner = owner_client(setup)
        viewer = await owner.viewer()
        on = (await owner.ask("/api/v1/consoles", owner.bearer)).json["consoles"][0]["viewers"][0]
        path = f"/api/v1/consoles/demo/viewers/{on['id']}"
        assert (await owner.ask(path, owner.bearer, method="DELETE")).status == 204
        assert await viewer.ended() == 4403
        again = await owner.viewer()
        whole = await owner.ask("/api/v1/consoles/demo", owner.bearer, method="DELETE")
        assert whole.status == 204
        assert await again.ended() == 4403
        for _ in range(4):
            assert (await owner.ask("/api/v1/consoles")).status == 401
        assert (await owner.ask("/", host="evil.example")).status == 421
        foreign = await owner.ask("/", owner.bearer, "Origin: https://evil.example")
        assert foreign.status == 403
        gone = await owner.ask("/api/v1/consoles/demo", owner.bearer, method="DELETE")
        assert gone.status == 404
    one, all_ = records(tmp_path, "kick")
    assert (one["user"], one["identity"], one["alias"]) == ("owner", "bearer", "demo")
    assert (one["other"], one["other_viewer"]) == ("owner", on["id"])
    assert "other" not in all_
    ends = records(tmp_path, "close")
    assert [(end["code"], end["reason"]) for end in ends] == [(4403, "kicked")] * 2
    refusals = records(tmp_path, "refusal")
    assert [(r["code"], r["reason"], r["count"], r.get("user")) for r in refusals] == [
        (401, "log-in", 1, None),
        (421, "foreign-host", 1, None),
        (403, "foreign-origin", 1, "owner"),
        (404, "not-open", 1, "owner"),
        # The rest, at the stop.
        (401, "log-in", 3, None),
    ]
    assert refusals[3]["alias"] == "demo"


async def test_native_viewers(tmp_path: Path, port: int) -> None:
    """By their password: right, and a session begins; wrong, and it is a refusal."""
    async with running(tmp_path, instance=instance(tmp_path, port)):
        _, writer = await proved(port, "wrong")
        await until(lambda: "refusal" in kinds(tmp_path), "the wrong one is refused")
        writer.close()
        reader, writer = await proved(port, PASSWORD)
        assert await reader.readexactly(4) == bytes(4)
        writer.close()
        await until(lambda: "close" in kinds(tmp_path), "the right one is closed")
    (refused,) = records(tmp_path, "refusal")
    assert (refused["code"], refused["reason"]) == (401, "wrong-password")
    (opened,), (closed,) = records(tmp_path, "open"), records(tmp_path, "close")
    assert (opened["identity"], closed["reason"]) == ("vnc-password", "viewer-left")


async def test_what_was_typed_is_in_no_record(tmp_path: Path) -> None:
    """Neither keys, nor a clipboard's text, nor the token, a ticket, a cookie."""
    async with running(tmp_path, access="token") as setup:
        owner = owner_client(setup)
        cookie = await owner.log_in()
        ticket = (await owner.admission("", cookie))["ticket"]
        viewer = await owner.viewer()
        await viewer.type(MARKER)
        text = MARKER.encode()
        await viewer.send(b"\x06\0\0\0" + len(text).to_bytes(4, "big") + text)
        await until(lambda: setup.cloud.typed_text == MARKER, "what was typed")
        token, value = owner.token, cookie.partition("=")[2]
    content = file_of(tmp_path).read_text()
    assert content.count("\n") > 5
    assert all(secret not in content for secret in (MARKER, token, ticket, value))
    keysyms = [f"{ord(character):x}" for character in MARKER]
    assert "".join(keysyms) not in content


async def test_an_opening_waits_for_its_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is dialled and no WebSocket is open before it is on the disk."""
    async with running(tmp_path) as setup:
        await until(lambda: kinds(tmp_path) == ["start"], "the start")
        disk = Disk(monkeypatch, file_of(tmp_path))
        disk.hanging.clear()
        opening = asyncio.create_task(setup.viewer())
        await until(lambda: disk.waiting, "the disk is written to")
        done, _ = await asyncio.wait([opening], timeout=0.3)
        assert not done
        assert not setup.cloud.dials
        async with setup.http.get(f"{setup.base}/healthz") as answer:
            assert answer.status == 200, "the event loop goes on"
        disk.hanging.set()
        viewer = await opening
        await until(lambda: setup.shows(viewer), "the picture")


async def test_control_stays_until_its_change_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what the controller types meanwhile still counts."""
    async with running(tmp_path) as setup:
        first, second = await page(setup), await page(setup)
        await until(lambda: first.controls and len(second.roles) == 2, "both are on")
        disk = Disk(monkeypatch, file_of(tmp_path))
        disk.hanging.clear()
        await second.wish("take")
        await until(lambda: disk.waiting, "the disk is written to")
        assert second.controller == first.id
        await first.viewer.type("f")
        await until(lambda: setup.cloud.typed_text == "f", "the first still types")
        disk.hanging.set()
        await until(lambda: second.controls, "the second has it")


async def test_who_leaves_while_its_control_is_recorded_has_not_had_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record that came too early is taken back by another."""
    async with running(tmp_path) as setup:
        first, second = await page(setup), await page(setup)
        await until(lambda: first.controls and len(first.roles) == 2, "both are on")
        disk = Disk(monkeypatch, file_of(tmp_path))
        disk.hanging.clear()
        await second.wish("take")
        await until(lambda: disk.waiting, "the disk is written to")
        await second.viewer.close()
        await until(lambda: len(first.roles) == 1, "the second has left")
        disk.hanging.set()
        kept = ("control-taken", "control-lost")
        await until(lambda: len(kinds(tmp_path, *kept)) == 3, "the records")
        assert first.controls
        moves = records(tmp_path, *kept)
        assert [(m["event"], m["viewer"]) for m in moves] == [
            ("control-lost", first.id),
            ("control-taken", second.id),
            ("control-lost", second.id),
        ]
        assert "didn't come to that" in moves[2]["text"]


async def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Openings and changes of control are refused in words, sessions go on, their ends wait."""
    async with running(tmp_path) as setup:
        first, second = await page(setup), await page(setup)
        third = await page(setup, view=True)
        await until(lambda: first.controls and len(second.roles) == 3, "all are on")
        before = len(kinds(tmp_path))
        disk = Disk(monkeypatch, file_of(tmp_path), room=0)

        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await setup.connect()
        assert refused.value.status == 503
        admission = f"{setup.base}/api/v1/consoles/demo/admission"
        async with setup.http.get(admission) as answer:
            assert answer.status == 503
            assert (await answer.json())["error"]["text"] == FULL
        async with setup.http.get(f"{setup.base}/readyz") as answer:
            assert answer.status == 503
            assert FULL in await answer.text()

        await second.wish("take")
        await until(lambda: any(m.get("text") == FULL for m in second.messages), "told")
        assert second.controller == first.id
        await first.viewer.type("still")
        await until(lambda: setup.cloud.typed_text == "still", "the first types on")
        await third.leave()
        await until(lambda: len(first.roles) == 2, "the third has left")
        assert len(kinds(tmp_path)) == before

        disk.room = 10**6
        await until(lambda: "close" in kinds(tmp_path), "the end that waited")
        await until(lambda: "refusal" in kinds(tmp_path), "the refusal that waited")
        await second.wish("take")
        await until(lambda: second.controls, "now it may")
        fourth = await page(setup)
        await until(lambda: len(fourth.roles) == 3, "and others may come")
    refusal = records(tmp_path, "refusal")[0]
    assert (refusal["code"], refusal["alias"]) == (503, "demo")
    ended = [record["viewer"] for record in records(tmp_path, "close")]
    assert third.id in ended
    opened = {record["viewer"] for record in records(tmp_path, "open", "view")}
    assert opened <= set(ended)
    assert "altered" not in kinds(tmp_path)
    assert verdict(tmp_path, heads(setup)[-1]).intact


async def test_a_disk_full_at_the_join_turns_the_viewer_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The opening was recorded, its control can't be: the WebSocket is closed, and that counts."""
    async with running(tmp_path) as setup:
        first = await page(setup)
        await until(lambda: first.controls, "it is on")
        disk = Disk(monkeypatch, file_of(tmp_path), room=500)
        taker = await setup.connect("?take=1")
        assert await taker.ended() == 1011
        assert first.controls
        disk.room = 10**6
        await until(lambda: "close" in kinds(tmp_path), "the end")
    assert verdict(tmp_path).intact


async def test_a_disk_full_at_the_opening_turns_the_viewer_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who comes to a console that nobody controls is on record, with control, or doesn't come."""
    async with running(tmp_path) as setup:
        await until(lambda: kinds(tmp_path) == ["start"], "the start")
        disk = Disk(monkeypatch, file_of(tmp_path), room=500)
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await setup.connect()
        assert refused.value.status == 503
        assert not setup.cloud.dials
        assert await setup.state() == {}
        disk.room = 10**6
        await until(lambda: "close" in kinds(tmp_path), "the end")
        assert kinds(tmp_path, "control-granted", "control-lost") in (
            ["control-lost"],
            ["control-granted", "control-lost"],
        )
    assert verdict(tmp_path).intact


async def test_an_opening_is_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The viewer and the control that it has come to the disk together, before it is let in."""
    syncs: list[os.stat_result] = []
    sync = os.fsync

    def counted(descriptor: int) -> None:
        syncs.append(os.fstat(descriptor))
        sync(descriptor)

    async with running(tmp_path) as setup:
        await until(lambda: kinds(tmp_path) == ["start"], "the start")
        file = setup.daemon._audit.path.stat()
        monkeypatch.setattr(os, "fsync", counted)
        viewer = await setup.viewer()
        assert kinds(tmp_path) == ["start", "open", "control-granted"]
        assert sum(os.path.samestat(one, file) for one in syncs) == 1
        await viewer.close()


async def test_control_that_was_foreseen_and_does_not_come_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two that come to a free console at once, one has control; who isn't let in has none."""
    async with running(tmp_path) as setup:
        with monkeypatch.context() as patch:
            # It has left before the upgrade.
            patch.setattr(viewer_websockets, "upgrade", lambda *_, **__: None)
            with suppress(aiohttp.ClientError):
                await setup.connect()
            await until(lambda: "close" in kinds(tmp_path), "its end")
        # The client may have tried again.
        assert kinds(tmp_path)[1:5] == ["open", "control-granted", "control-lost", "close"]
        lost = records(tmp_path, "control-lost")[0]
        assert lost["user"] == records(tmp_path, "open")[0]["user"]
        first, second = await asyncio.gather(page(setup), page(setup))
        await until(lambda: first.controls or second.controls, "one of them controls")
        controls = [each.id for each in (first, second) if each.controls]
        assert len(controls) == 1
        held: set[str] = set()
        for record in records(tmp_path, "control-granted", "control-lost"):
            change = held.add if record["event"] == "control-granted" else held.discard
            change(str(record["viewer"]))
        assert held == set(controls)


async def test_a_daemon_killed_hard(tmp_path: Path) -> None:
    """What it left half written is noted by the next one, and the chain goes on."""
    async with running(tmp_path) as setup:
        await (await setup.viewer()).close()
    content = file_of(tmp_path).read_bytes()
    torn = content[: content.rindex(b'{"seq"') + 60]
    file_of(tmp_path).write_bytes(torn)
    async with running(tmp_path) as setup:
        await (await setup.viewer()).close()
    assert file_of(tmp_path).read_bytes().startswith(torn + b"\n")
    found = verdict(tmp_path, heads(setup)[-1])
    assert found.intact
    assert "60 bytes of a record that wasn't finished" in str(found.notes[0])
    logged = [line["text"] for line in setup.events if line["event"] == "audit.trouble"]
    assert logged == ["the file ended in a record that wasn't finished"]
    # It was killed, so its last record isn't a stop: the next one and `verify` say so.
    assert "crashed or was killed" in str(found.notes[1])
    async with running(tmp_path):
        pass
    lines = [parse(line) for line in file_of(tmp_path).read_bytes().splitlines()]
    starts = [one.content for one in lines if one is not None and one.event == "start"]
    assert ["recorded no stop" in str(one.get("text")) for one in starts] == [False, True, False]
    assert len(verdict(tmp_path).notes) == 2


_HAMMERS = """
    import asyncio, sys
    from pathlib import Path
    from vncproxy.audit.log import AuditLog
    from vncproxy.audit.record import Entry, Event

    async def main():
        audit = AuditLog(Path(sys.argv[1]))
        await audit.open()
        print("opened", flush=True)
        while True:
            await asyncio.gather(*(audit.record(Entry(event=Event.OPEN)) for _ in range(20)))
            print("safe", audit.head.seq, flush=True)

    asyncio.run(main())
"""


def test_killed_processes_lose_nothing_that_was_said_to_be_safe(tmp_path: Path) -> None:
    """SIGKILL again and again, amid writing: all that `record` returned for is in the chain."""
    path = tmp_path / "audit.jsonl"
    for _ in range(4):
        with subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(_HAMMERS), str(path)],
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "opened\n"
            logged = [process.stdout.readline().rstrip() for _ in range(SAFE)]
            process.send_signal(signal.SIGKILL)
            logged += process.stdout.read().rpartition("\n")[0].splitlines()
            safe = [int(line[5:]) for line in logged if line.startswith("safe ")]
        with path.open("rb") as lines:
            found = verify(lines)
        # Only a line that was being written may be torn, and the next start will note it.
        assert all("cut short" in problem.text for problem in found.problems)
        assert found.records >= max(safe)


async def test_a_file_cut_while_in_use(tmp_path: Path) -> None:
    """It is reported at once, recorded, and found by verifying."""
    async with running(tmp_path) as setup:
        viewer = await setup.viewer()
        await until(lambda: kinds(tmp_path)[-1] == "control-granted", "what its coming leaves")
        size = file_of(tmp_path).stat().st_size
        os.truncate(file_of(tmp_path), size // 2)
        await viewer.close()
        await until(lambda: b'"close"' in file_of(tmp_path).read_bytes(), "the end")
    logged = [line["text"] for line in setup.events if line["event"] == "audit.trouble"]
    assert logged == [f"it was cut from {size} to {size // 2} bytes while in use"]
    assert not verdict(tmp_path).intact


async def test_a_file_altered_while_stopped(tmp_path: Path) -> None:
    """The daemon goes on; verifying names the line."""
    async with running(tmp_path) as setup:
        await (await setup.viewer()).close()
    before = file_of(tmp_path).read_bytes()
    file_of(tmp_path).write_bytes(before.replace(b'"anyone"', b'"nobody"', 1))
    async with running(tmp_path):
        pass
    [problem] = verdict(tmp_path).problems
    assert (problem.line, "was changed" in problem.text) == (2, True)


async def test_a_whole_file_exchanged_shows_by_the_head(tmp_path: Path) -> None:
    """A chain written anew is a chain; the log knows another head."""
    async with running(tmp_path) as setup:
        await (await setup.viewer()).close()
    file_of(tmp_path).unlink()
    async with running(tmp_path):
        pass
    assert verdict(tmp_path).intact
    assert not verdict(tmp_path, heads(setup)[-1]).intact


async def test_a_symbolic_link_in_its_place_is_refused(tmp_path: Path) -> None:
    """The daemon doesn't start, and what the link leads to stays as it is."""
    victim = tmp_path / "victim"
    victim.write_text("precious\n")
    (tmp_path / "state").mkdir(mode=0o700)
    file_of(tmp_path).symlink_to(victim)
    with pytest.raises(AuditError, match="symbolic link"):
        async with running(tmp_path):
            pass
    assert victim.read_text() == "precious\n"


async def test_two_daemons_with_one_file(tmp_path: Path) -> None:
    """The second says what to do; the first goes on."""
    async with running(tmp_path) as setup:
        with pytest.raises(AuditError, match="Another vncproxy daemon is running already"):
            async with running(tmp_path):
                pass
        await (await setup.viewer()).close()
    assert verdict(tmp_path).intact


async def test_the_file_may_be_elsewhere(tmp_path: Path) -> None:
    """As [audit] file says."""
    elsewhere = tmp_path / "elsewhere.jsonl"
    async with running(tmp_path, audit=Audit(file=elsewhere)):
        pass
    assert [json.loads(line)["event"] for line in elsewhere.read_bytes().splitlines()] == [
        "start",
        "stop",
    ]
    assert not file_of(tmp_path).exists()


async def test_a_rotated_file(tmp_path: Path) -> None:
    """A reload begins a new one; both verify, the second names the end of the first."""
    old = tmp_path / "old.jsonl"
    async with running(tmp_path) as setup:
        await (await setup.viewer()).close()
        setup.daemon.handle_signals()
        file_of(tmp_path).rename(old)
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: file_of(tmp_path).exists(), "a new file")
        await (await setup.viewer()).close()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
    assert kinds(tmp_path)[0] == "rotated"
    found = verdict(tmp_path, heads(setup)[-1])
    assert found.intact
    with old.open("rb") as lines:
        first = verify(lines)
    assert first.intact
    assert first.head.hash in str(found.notes[0])
