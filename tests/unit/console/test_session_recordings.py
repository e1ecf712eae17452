"""Which sessions are recorded, and who is informed; with a whole daemon around it.

Full disks and foreign folders are in tests/fault/test_recording.py.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.page import page
from tests.recorded import record_everybody, recordings
from tests.setup import USUAL, Running, running, until
from tests.unit.console.fakes import FakeTransport
from tests.unit.console.surroundings import INSTANCE, surroundings
from vncproxy.audit.log import NullAudit
from vncproxy.console.session_recordings import OPAQUE, SessionRecordings
from vncproxy.console.viewer import Viewer, ViewerIdentity
from vncproxy.console.viewer_limits import ViewerLimits
from vncproxy.errors import RecordingError
from vncproxy.recording.file_format import LINK_LOST, LINK_REPLACED
from vncproxy.recording.reader import Recording
from vncproxy.rfb.encodings import DESKTOP_NAME
from vncproxy.web import viewer_websockets
from vncproxy.web.viewer_session import announce

pytestmark = pytest.mark.sockets

WHO = ViewerIdentity("v-1", "ann", "127.0.0.1", "local", record=True)


async def all_ended(setup: Running, count: int) -> None:
    """Wait for the ends of so many recordings."""
    await until(lambda: setup.log.getvalue().count('"recording.ended"') == count, "the ends")


async def test_nobody_else_is_recorded(tmp_path: Path) -> None:
    """Without a rule that says so there is neither a file nor a folder."""
    async with running(tmp_path) as setup:
        seen = await page(setup)
        await until(lambda: setup.shows(seen.viewer), "the picture")
        assert seen.state["recorded"] is False
    assert not (tmp_path / "state" / "recordings").exists()


async def test_each_session_has_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two on one console are two recordings, each from its own beginning to its own end."""
    record_everybody(monkeypatch)
    async with running(tmp_path) as setup:
        first = await page(setup)
        await until(lambda: setup.shows(first.viewer), "the picture")
        second = await page(setup, view=True)
        await until(lambda: setup.shows(second.viewer), "the picture")
        await first.leave()
        await all_ended(setup, 1)
        assert second.state["recorded"] is True
        await second.leave()
        await all_ended(setup, 2)
    found = [Recording(path) for path in recordings(tmp_path / "state")]
    assert {one.header.viewer for one in found} == {first.id, second.id}
    for one in found:
        assert one.whole
        assert one.blocks
        one.close()


async def test_who_is_on_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one whose own session isn't recorded: the screen that it uses is, while it is."""
    who = viewer_websockets._who

    def only_watchers(*arguments: Any, **more: Any) -> ViewerIdentity:
        made = who(*arguments, **more)
        return replace(made, record=not made.may_control)

    monkeypatch.setattr(viewer_websockets, "_who", only_watchers)
    async with running(tmp_path) as setup:
        controller = await page(setup)
        await until(lambda: setup.shows(controller.viewer), "the picture")
        assert controller.state["recorded"] is False
        watcher = await page(setup, view=True)
        await until(lambda: controller.state["recorded"], "it is told")
        row = await setup.state()
        assert row["recorded"] is True
        recorded = {one["id"]: (one["record"], one["recorded"]) for one in row["viewers"]}
        assert recorded == {controller.id: (False, False), watcher.id: (True, True)}
        await watcher.leave()
        await until(lambda: not controller.state["recorded"], "it is told of the end")


async def test_a_viewer_without_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is reported by the sessionstop's name, of which its title shows at least the beginning."""
    record_everybody(monkeypatch)
    async with running(tmp_path) as setup:
        viewer = await setup.viewer()
        with_page = await page(setup)
        await until(lambda: viewer.name and with_page.viewer.name, "their names")
        assert viewer.name == f"[recorded] {with_page.viewer.name}"
        assert not with_page.viewer.name.startswith("[")


async def test_an_unrecorded_viewer_without_a_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is reported by the name while another's session on the same screen is recorded."""
    who = viewer_websockets._who

    def only_watchers(*arguments: Any, **more: Any) -> ViewerIdentity:
        made = who(*arguments, **more)
        return replace(made, record=not made.may_control)

    monkeypatch.setattr(viewer_websockets, "_who", only_watchers)
    async with running(tmp_path) as setup:
        viewer = await setup.viewer(encodings=(*USUAL, DESKTOP_NAME))
        await until(lambda: setup.shows(viewer), "the picture")
        plain = viewer.name
        watcher = await page(setup, view=True)
        expected = f"[recorded] {plain}".encode()
        await until(lambda: viewer.decoder.name == expected, "its name says so")
        late = await setup.viewer()
        assert late.name == expected.decode()
        await watcher.leave()
        await until(lambda: viewer.decoder.name == plain.encode(), "the old name is back")
        assert not plain.startswith("[")


async def test_a_lost_link_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The recording goes on with the next one, and can be begun there."""
    record_everybody(monkeypatch)
    async with running(tmp_path) as setup:
        viewer = await setup.viewer()
        await until(lambda: setup.shows(viewer), "the picture")
        viewer.decoder.painted[:] = False
        setup.cloud.drop()
        await until(lambda: len(setup.cloud.dials) == 2, "the next link")
        await until(lambda: setup.shows(viewer), "its picture")
        await viewer.close()
        await all_ended(setup, 1)
    [path] = recordings(tmp_path / "state")
    recording = Recording(path)
    assert [note.what for note in recording.notes][:2] == [LINK_LOST, LINK_REPLACED]
    assert recording.blocks[-1].whole
    assert recording.blocks[-1].continues
    assert recording.blocks[-1].time_ms >= recording.notes[1].time_ms
    recording.close()


async def test_no_place_for_recordings(tmp_path: Path) -> None:
    """Who has to be recorded isn't let in; who hasn't, is."""
    async with surroundings(tmp_path) as around:
        console = await around.console()
        with pytest.raises(RecordingError, match="no place"):
            await announce(console, WHO)
        await announce(console, replace(WHO, record=False))
        transport = FakeTransport()
        viewer = Viewer(WHO, transport, ViewerLimits(0, 0, 60, 1 << 20))
        with pytest.raises(RecordingError):
            await console.enter(viewer)
        assert console.viewers == []
        await viewer.abandon()


async def test_an_opaque_console(tmp_path: Path) -> None:
    """Nothing of it can be recorded, whatever place there is."""
    async with surroundings(tmp_path) as around:
        console = await around.console()
        sessions = SessionRecordings(INSTANCE, None, NullAudit(), console.router, console.pages)
        with pytest.raises(RecordingError) as caught:
            await sessions.check(WHO, opaque=True)
        assert caught.value.public_text == OPAQUE
        await sessions.check(replace(WHO, record=False), opaque=True)


async def test_a_drain_ends_recordings_properly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The daemon waits for them, and their hashes are in the audit before it stops."""
    record_everybody(monkeypatch)
    async with running(tmp_path) as setup:
        viewer = await setup.viewer()
        await until(lambda: setup.shows(viewer), "the picture")
        setup.daemon.stop()
        async with asyncio.timeout(60):
            assert await viewer.ended() == 1012
    [path] = recordings(tmp_path / "state")
    recording = Recording(path)
    assert recording.whole
    recording.close()
    audit = (tmp_path / "state" / "audit.jsonl").read_text()
    assert audit.index('"recorded"') < audit.index('"stop"')
