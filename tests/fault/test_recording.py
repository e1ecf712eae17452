"""Sessions that have to be recorded, on disks that are full, and in folders that aren't ours."""

from __future__ import annotations

import asyncio
import os
import stat
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from tests.clock import ProcessClock
from tests.disks import Disk
from tests.page import Page, page
from tests.recorded import everything, played_from, record_everybody, recordings
from tests.setup import Running, running, until
from vncproxy.config.model import Recording as Settings
from vncproxy.config.model import Rule
from vncproxy.console.viewer import ViewerIdentity
from vncproxy.errors import ConfigError
from vncproxy.recording import recordings as keeping
from vncproxy.recording import writer_thread as writing
from vncproxy.recording.file_format import GAP
from vncproxy.recording.reader import Recording
from vncproxy.simulator.faults import GatewayFault, GatewayFaultKind
from vncproxy.simulator.settings import DEMO_INSTANCE_ID, SimulatorSettings
from vncproxy.web import viewer_websockets

MARKER = "wqxzj"


TICK_INTERVAL_S = 0.1


@pytest.fixture(autouse=True)
def recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody is; a screen that moves does so ten times a second."""
    record_everybody(monkeypatch)
    monkeypatch.setattr("vncproxy.simulator.simulator._TICK_INTERVAL_S", TICK_INTERVAL_S)


def audited(folder: Path, event: str) -> list[dict[str, Any]]:
    """The records of one kind."""
    lines = (folder / "state" / "audit.jsonl").read_bytes().splitlines()
    return [one for line in lines if (one := msgspec.json.decode(line))["event"] == event]


async def refused(setup: Running) -> tuple[int, str]:
    """How a program that wants a console is refused."""
    async with setup.http.get(
        f"{setup.base}/websockify/{setup.alias}",
        headers={
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        },
    ) as answer:
        return answer.status, (await answer.json())["error"]["text"]


async def test_a_session_leaves_a_file(tmp_path: Path) -> None:
    """It shows what was seen, is for its owner alone, and its hash is in the audit."""
    async with running(tmp_path) as setup:
        seen = await page(setup)
        await until(lambda: setup.shows(seen.viewer), "the picture")
        await until(lambda: seen.state["recorded"] is True, "the word that it is recorded")
        await seen.leave()
        await until(lambda: "recording.ended" in setup.log.getvalue(), "the end")
    [path] = recordings(tmp_path / "state")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.name.endswith(f"-i-bp1demo0000000000001-{seen.id}.vncrec")
    [record] = audited(tmp_path, "recorded")
    assert record["file"] == path.name
    assert record["viewer"] == seen.id
    assert record["size_bytes"] == path.stat().st_size
    recording = Recording(path)
    assert recording.whole
    assert recording.header.viewer == seen.id
    *_, last = played_from(recording, 0)
    assert (last.decoder.frame == seen.viewer.decoder.frame).all()
    recording.close()


async def test_what_is_typed_is_not_in_it(tmp_path: Path) -> None:
    """Neither keys, nor a text that is pasted, nor one that the guest copied."""
    async with running(tmp_path) as setup:
        viewer = await setup.viewer()
        await until(lambda: setup.shows(viewer), "the picture")
        await viewer.type(MARKER)
        text = MARKER.encode()
        await viewer.send(b"\x06\0\0\0" + len(text).to_bytes(4, "big") + text)
        await until(lambda: MARKER in setup.cloud.typed_text, "it is typed")
    [path] = recordings(tmp_path / "state")
    held = everything(path)
    assert len(held) > 1000
    assert MARKER.encode() not in held
    for character in MARKER:
        assert b"\x04\1\0\0\0\0\0" + character.encode() not in held


async def test_a_full_disk_at_the_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is opened, the answer says why, and the audit has that it didn't come about."""
    real = os.write

    def full(descriptor: int, data: bytes) -> int:
        if "recordings" in str(Path(f"/proc/self/fd/{descriptor}").readlink()):
            raise OSError(28, "No space left on device")
        return real(descriptor, data)

    async with running(tmp_path) as setup:
        monkeypatch.setattr(os, "write", full)
        status, text = await refused(setup)
        assert status == 503
        assert "has to be recorded" in text
        assert "the disk is full" in text
        assert not setup.cloud.dials
        assert await setup.state() == {}
        await until(lambda: audited(tmp_path, "close"), "the record of the end")
        [close] = audited(tmp_path, "close")
        assert (close["code"], close["reason"]) == (4403, "kicked")
        assert recordings(tmp_path / "state") == []
        monkeypatch.undo()
        record_everybody(monkeypatch)
        viewer = await setup.viewer()
        await until(lambda: setup.shows(viewer), "the picture, with room again")


async def test_a_disk_that_hangs_at_the_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is refused before the upgrade, with its status, and leaves no file behind."""
    async with running(tmp_path) as setup:
        kept = setup.daemon.components.recordings
        kept._disk_timeout_s = 0.3
        create, answers = kept.folder.create, threading.Event()

        def slow(*arguments: Any) -> tuple[str, int]:
            assert answers.wait(30.0)
            return create(*arguments)

        monkeypatch.setattr(kept.folder, "create", slow)
        status, text = await refused(setup)
        assert status == 503
        assert "the disk doesn't answer" in text
        assert not setup.cloud.dials
        answers.set()
        await until(lambda: kept._pending == 0, "the late answer")
        await until(lambda: not recordings(tmp_path / "state"), "nothing is left of it")
    assert not audited(tmp_path, "recorded")


async def test_a_session_that_does_not_come_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused once its file was made, it leaves none."""
    async with running(tmp_path) as setup:
        monkeypatch.setattr(
            type(setup.daemon.components.authority),
            "objection",
            lambda *_: "The rules were changed.",
        )
        viewer = await setup.connect()
        message = await viewer.socket.receive(timeout=60)
        assert (message.data, message.extra) == (4403, "kicked")
        await until(lambda: not recordings(tmp_path / "state"), "nothing is left of it")
    assert not audited(tmp_path, "recorded")
    assert not setup.cloud.dials


async def test_what_a_rule_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With record = true a page is informed before it opens anything if it can't be recorded."""
    monkeypatch.undo()
    rule = Rule(users=("anyone",), instances=("*",), record=True)
    async with running(tmp_path, rule=(rule,)) as setup:
        seen = await page(setup)
        await until(lambda: setup.shows(seen.viewer), "the picture")
        await until(lambda: seen.state["recorded"] is True, "the word that it is recorded")
        [path] = recordings(tmp_path / "state")
        path.parent.chmod(0o770)
        address = f"{setup.base}/api/v1/consoles/{setup.alias}/admission"
        async with setup.http.get(address) as answer:
            assert answer.status == 503
            assert "mode 0770" in (await answer.json())["error"]["text"]
        path.parent.chmod(0o700)


async def test_a_disk_that_fills_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The session goes on; page, log and audit say that it isn't recorded, and when it is again."""
    impatient(monkeypatch, first_pause_s=0.05)
    async with running(tmp_path, cloud=SimulatorSettings(animated=True)) as setup:
        seen = await page(setup)
        await until(lambda: seen.viewer.decoder.updates > 3, "a picture")
        [path] = recordings(tmp_path / "state")
        disk = Disk(monkeypatch, path, room=0)
        await until(lambda: seen.state.get("recorded") is False, "the page is told")
        updates = seen.viewer.decoder.updates
        await until(lambda: seen.viewer.decoder.updates > updates + 3, "it goes on")
        await until(lambda: notices(seen), "the words")
        assert "isn't recorded" in notices(seen)[-1]["text"]
        assert "the disk is full" in notices(seen)[-1]["text"]
        assert notices(seen)[-1]["level"] == "warning"
        await until(lambda: audited(tmp_path, "recording-failed"), "the audit")
        disk.room = 10**9
        await until(lambda: seen.state.get("recorded") is True, "it is recorded again")
        await until(lambda: audited(tmp_path, "recording-resumed"), "the audit")
        await seen.leave()
        await until(lambda: "recording.ended" in setup.log.getvalue(), "the end")
        assert len(audited(tmp_path, "recording-failed")) == 1
    recording = Recording(path)
    assert recording.whole
    assert [note.what for note in recording.notes] == [GAP]
    assert not recording.blocks[-1].continues
    *_, last = played_from(recording, 0)
    assert last.decoder.painted.all()
    recording.close()


def notices(on: Page) -> list[dict[str, Any]]:
    """What the page was told in words."""
    return [message for message in on.messages if message["type"] == "notice"]


def impatient(monkeypatch: pytest.MonkeyPatch, **how: float) -> None:
    """Writers whose limits are over soon."""
    monkeypatch.setattr(writing, "FLUSH_INTERVAL_S", 0.05)
    monkeypatch.setattr(keeping, "DISK_CHECK_INTERVAL_S", 0.05)
    defaults = writing.RecordingWriter.__init__.__kwdefaults__
    assert defaults is not None
    for name, value in how.items():
        monkeypatch.setitem(defaults, name, value)


async def hang(disk: Disk, clock: ProcessClock) -> None:
    """Let it hang for as long as it takes to say so."""
    disk.hanging.clear()
    await until(lambda: disk.waiting, "what has to be written")
    await clock.forward(2 * writing.LATE_S)


async def test_a_disk_that_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, process_clock: ProcessClock
) -> None:
    """Page, log and audit say so, though nothing fails, and when it is recorded again."""
    impatient(monkeypatch)
    async with running(tmp_path, cloud=SimulatorSettings(animated=True)) as setup:
        seen = await page(setup)
        await until(lambda: seen.viewer.decoder.updates > 3, "a picture")
        [path] = recordings(tmp_path / "state")
        disk = Disk(monkeypatch, path)
        await hang(disk, process_clock)
        await until(lambda: seen.state.get("recorded") is False, "the page is told")
        await until(lambda: notices(seen), "the words")
        assert "the disk doesn't answer" in notices(seen)[-1]["text"]
        await until(lambda: audited(tmp_path, "recording-failed"), "the audit")
        await until(lambda: '"recording.failed"' in setup.log.getvalue(), "the log")
        updates = seen.viewer.decoder.updates
        await until(lambda: seen.viewer.decoder.updates > updates + 3, "it goes on")
        disk.hanging.set()
        await until(lambda: seen.state.get("recorded") is True, "it is recorded again")
        await until(lambda: audited(tmp_path, "recording-resumed"), "the audit")
        await seen.leave()
        await until(lambda: "recording.ended" in setup.log.getvalue(), "the end")


@pytest.mark.parametrize("hangs", [False, True])
async def test_a_session_that_may_not_go_on_unrecorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, process_clock: ProcessClock, hangs: bool
) -> None:
    """With required = true it ends, in words, and others, who needn't be recorded, stay."""
    impatient(monkeypatch)
    settings = Settings(required=True)
    cloud = SimulatorSettings(animated=True)
    async with running(tmp_path, cloud=cloud, recording=settings) as setup:
        first = await page(setup)
        await until(lambda: first.viewer.decoder.updates > 3, "a picture")
        [path] = recordings(tmp_path / "state")
        with monkeypatch.context() as others:
            others.setattr(viewer_websockets, "_who", unrecorded(viewer_websockets._who))
            other = await page(setup, view=True)
        disk = Disk(monkeypatch, path, room=10**9 if hangs else 0)
        if hangs:
            await hang(disk, process_clock)
        async with asyncio.timeout(60):
            assert await first.viewer.ended() == 4403
        await until(lambda: [m for m in first.messages if m["type"] == "ending"], "the words")
        [reason] = [m["text"] for m in first.messages if m["type"] == "ending"]
        assert "has to be recorded" in reason
        assert ("doesn't answer" if hangs else "the disk is full") in reason
        await until(lambda: audited(tmp_path, "close"), "the audit")
        [close] = audited(tmp_path, "close")
        assert (close["code"], close["reason"]) == (4403, "kicked")
        updates = other.viewer.decoder.updates
        await until(lambda: other.viewer.decoder.updates > updates + 3, "the other goes on")
        disk.hanging.set()


def unrecorded(who: Callable[..., ViewerIdentity]) -> Callable[..., ViewerIdentity]:
    """Viewers that no rule wants to be recorded."""

    def made(*arguments: Any, **more: Any) -> ViewerIdentity:
        return replace(who(*arguments, **more), record=False)

    return made


@pytest.mark.parametrize("kind", ["link", "writable"])
async def test_a_folder_that_is_not_ours_alone(tmp_path: Path, kind: str) -> None:
    """A daemon that is to use it doesn't start; one whose own it has become opens nothing."""
    folder = tmp_path / "state" / "recordings"
    folder.parent.mkdir(mode=0o700)
    if kind == "link":
        folder.symlink_to(tmp_path)
    else:
        folder.mkdir()
        folder.chmod(0o777)
    with pytest.raises(ConfigError, match="recording"):
        async with running(tmp_path, recording=Settings(directory=folder)):
            pass
    async with running(tmp_path) as setup:
        status, text = await refused(setup)
        assert status == 503
        assert "can't be used" in text
        assert not setup.cloud.dials


async def test_a_screen_that_is_not_understood(tmp_path: Path) -> None:
    """It can't be recorded, so who has to be is let out of it, and not in again."""
    async with running(tmp_path) as setup:
        fault = GatewayFault(GatewayFaultKind.UNKNOWN_SECURITY)
        setup.cloud.gateway_faults.next(DEMO_INSTANCE_ID, fault)
        viewer = await setup.connect()
        message = await viewer.socket.receive(timeout=60)
        assert message.type is aiohttp.WSMsgType.CLOSE
        assert (message.data, message.extra) == (4403, "kicked")
        await until(lambda: "recording.ended" in setup.log.getvalue(), "the end")
    [path] = recordings(tmp_path / "state")
    recording = Recording(path)
    assert recording.blocks == ()
    recording.close()


async def test_what_the_limits_take(tmp_path: Path) -> None:
    """Audit and log say which recordings went, and why: nothing goes without a trace."""
    seen = tmp_path / "seen"
    seen.mkdir(mode=0o700)
    for name, size, at in (
        ("20200101T000000Z-i-1-v-1", 10, 0),
        ("20260101T000000Z-i-1-v-2", 90_000, None),
    ):
        file = seen / f"{name}.vncrec"
        file.write_bytes(bytes(size))
        if at is not None:
            os.utime(file, (at, at))
    settings = Settings(directory=seen, max_bytes=80_000)
    async with running(tmp_path, recording=settings) as setup:
        await until(lambda: len(audited(tmp_path, "recording-removed")) == 2, "the records")
        await until(lambda: setup.log.getvalue().count('"recording.removed"') >= 2, "the log")
    assert setup.log.getvalue().count('"recording.removed"') == 2
    assert [
        (r["file"][-10:], r["size_bytes"], r["reason"])
        for r in audited(tmp_path, "recording-removed")
    ] == [
        ("v-1.vncrec", 10, "age"),
        ("v-2.vncrec", 90_000, "room"),
    ]


async def test_a_session_that_goes_on_and_on(tmp_path: Path) -> None:
    """It ends when its recording has its share, in words, and may begin anew with another one."""
    cloud = SimulatorSettings(animated=True)
    settings = Settings(max_bytes=100_000)
    async with running(tmp_path, cloud=cloud, recording=settings) as setup:
        first = await page(setup)
        async with asyncio.timeout(60):
            assert await first.viewer.ended() == 4410
        await until(lambda: [m for m in first.messages if m["type"] == "ending"], "the words")
        [reason] = [m["text"] for m in first.messages if m["type"] == "ending"]
        assert "Connect again" in reason
        await until(lambda: "recording.ended" in setup.log.getvalue(), "the end")
        await first.leave()
        [path] = recordings(tmp_path / "state")
        recording = Recording(path)
        assert recording.complete
        assert recording.size_bytes > 25_000
        recording.close()
        again = await page(setup)
        await until(lambda: again.viewer.decoder.updates > 3, "a picture")
    [close, _] = audited(tmp_path, "close")
    assert (close["code"], close["reason"]) == (4410, "session-limit")
