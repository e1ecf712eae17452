"""Native viewers under the rules: the account that connects, as the kernel knows it."""

from __future__ import annotations

import asyncio
import struct
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.clock import FakeClock
from tests.fault.test_native import PASSWORD, instance, proved, words
from tests.fault.test_new_configuration import reload
from tests.recorded import recordings
from tests.setup import WAIT_S, Running, key, running, until
from vncproxy.access.account_directory import Directory
from vncproxy.config.hours import zone_text
from vncproxy.config.model import Config, Rule
from vncproxy.recording.reader import Recording
from vncproxy.service import hours_watch as hours_module
from vncproxy.websocket.tcp_transport import TcpTransport


async def refusal(port: int) -> str:
    """What is sent instead of asking for the password."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(WAIT_S):
        assert await reader.readexactly(12) == b"RFB 003.008\n"
        writer.write(b"RFB 003.008\n")
        assert await reader.readexactly(1) == b"\0"
        text = await words(reader)
        assert await reader.read() == b""
    writer.close()
    return text


async def let_in(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, str]:
    """A connection up to ServerInit, and the desktop's name."""
    reader, writer = await proved(port, PASSWORD)
    async with asyncio.timeout(WAIT_S):
        assert await reader.readexactly(4) == bytes(4)
        writer.write(b"\x01")
        head = await reader.readexactly(24)
        name = await reader.readexactly(int.from_bytes(head[20:], "big"))
    return reader, writer, name.decode()


async def over(reader: asyncio.StreamReader) -> bool:
    """Wait until the daemon has closed the connection."""
    async with asyncio.timeout(WAIT_S):
        await reader.read()
    return True


def audited(setup: Running, event: str) -> list[dict[str, Any]]:
    """The records of one kind, so far."""
    lines = (setup.daemon.state / "audit.jsonl").read_bytes().splitlines()
    return [one for line in lines if (one := msgspec.json.decode(line))["event"] == event]


class Kernel:
    """What the kernel says of who connects, in place of the real one."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        """An account called ann."""
        self.uid: int | None = 70001
        accounts = {70001: "ann", 70002: "bob"}
        patch.setattr(TcpTransport, "peer_uid", lambda transport: self.uid)
        patch.setattr(Directory, "name", lambda directory, uid: accounts.get(uid))


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    """Two accounts besides the daemon's own."""
    return Kernel(monkeypatch)


def rule(**more: Any) -> tuple[Rule, ...]:
    """One for ann, and one that is about neither."""
    others = Rule(users=("native", "anyone", "root"), instances=("*",), role="admin")
    return (Rule(users=("ann",), instances=("demo",), **more), others)


async def test_a_rule_lets_an_account_in(tmp_path: Path, port: int, kernel: Kernel) -> None:
    """With the password as ever; the audit has the account, how it is known, and the rule."""
    async with running(tmp_path, instance=instance(tmp_path, port), rule=rule()) as setup:
        _, writer, name = await let_in(port)
        assert not name.startswith("[recorded]")
        writer.write(key(1, ord("n")) + key(0, ord("n")))
        await until(lambda: setup.cloud.typed_text == "n", "the key")
        (opened,) = audited(setup, "open")
        assert (opened["user"], opened["identity"]) == ("ann", "peer+vnc-password")
        assert (opened["door"], opened["rule"]) == (f"tcp_port {port}", "rule 1")
        writer.close()
        reader, writer = await proved(port, "wrong")
        assert await reader.readexactly(4) == b"\0\0\0\1"
        writer.close()


async def test_a_rule_may_let_it_watch_only(tmp_path: Path, port: int, kernel: Kernel) -> None:
    """Its keys go nowhere, and it is no controller."""
    given = rule(role="watch")
    async with running(tmp_path, instance=instance(tmp_path, port), rule=given) as setup:
        _, writer, _ = await let_in(port)
        writer.write(key(1, ord("n")) + key(0, ord("n")) + struct.pack(">BBHHHH", 3, 0, 0, 0, 9, 9))
        await until(
            lambda: setup.daemon.components.registry.consoles[0].viewers[0].bytes_out > 300,
            "a picture",
        )
        assert setup.cloud.typed_text == ""
        (console,) = setup.daemon.components.registry.consoles
        assert console.control.controller is None
        assert [one["rule"] for one in audited(setup, "view")] == ["rule 1"]
        assert audited(setup, "open") == []
        writer.close()


@pytest.mark.parametrize(
    ("uid", "code", "word", "text"),
    [
        (70002, 403, "not-allowed", "No rule lets the account bob open this console."),
        (0, 401, "no-account", "your account on this machine"),
        (None, 401, "no-account", "your account on this machine"),
    ],
)
async def test_whom_no_rule_lets_in(
    tmp_path: Path, port: int, kernel: Kernel, uid: int | None, code: int, word: str, text: str
) -> None:
    """They are refused before the password, nothing is opened; the audit has it once a minute."""
    kernel.uid = uid
    async with running(tmp_path, instance=instance(tmp_path, port), rule=rule()) as setup:
        for _ in range(2):
            assert text in await refusal(port)
        assert await setup.state() == {}
        assert not setup.cloud.calls
        assert not setup.cloud.dials
        await until(lambda: audited(setup, "refusal"), "the record")
        (record,) = audited(setup, "refusal")
        assert (record["code"], record["reason"]) == (code, word)
        assert record["user"] == ("bob" if uid == 70002 else "native")
        assert text in record["text"]
        assert (record["alias"], record["door"]) == ("demo", f"tcp_port {port}")
        assert audited(setup, "open") == []


async def test_the_daemon_s_own_account_is_the_owner(
    tmp_path: Path, port: int, kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It can read the token, so no rule could keep it out."""
    kernel.uid = 70002
    monkeypatch.setattr("vncproxy.access.accounts.os.geteuid", lambda: 70002)
    async with running(tmp_path, instance=instance(tmp_path, port), rule=rule()) as setup:
        _, writer, _ = await let_in(port)
        (opened,) = audited(setup, "open")
        assert (opened["user"], opened["identity"]) == ("owner", "peer+vnc-password")
        writer.close()


async def test_without_rules_the_password_is_enough(
    tmp_path: Path, port: int, kernel: Kernel
) -> None:
    """The account learns where it is known."""
    async with running(tmp_path, instance=instance(tmp_path, port)) as setup:
        for uid in (70001, None):
            kernel.uid = uid
            _, writer, _ = await let_in(port)
            writer.close()
        users = [(one["user"], one["identity"]) for one in audited(setup, "open")]
        assert users == [("ann", "peer+vnc-password"), ("native", "vnc-password")]


async def test_a_rule_may_record(tmp_path: Path, port: int, kernel: Kernel) -> None:
    """The desktop's name says so, and the file says whose session it was."""
    given = rule(record=True)
    async with running(tmp_path, instance=instance(tmp_path, port), rule=given) as setup:
        _, writer, name = await let_in(port)
        assert name.startswith("[recorded]")
        writer.close()
        await until(lambda: "recording.ended" in setup.log.getvalue(), "the end")
    [path] = recordings(tmp_path / "state")
    recording = Recording(path)
    assert (recording.header.user, recording.header.door) == ("ann", f"tcp_port {port}")
    recording.close()


async def test_a_session_ends_with_its_hours(
    tmp_path: Path, port: int, kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And who comes afterwards learns when they might."""
    monkeypatch.setattr(hours_module, "CHECK_INTERVAL_S", 0.01)
    wall = FakeClock(datetime(2026, 11, 24, 17, 59, 59).timestamp())
    given = rule(hours=("mon-fri 08:00-18:00",))
    async with running(tmp_path, instance=instance(tmp_path, port), rule=given) as setup:
        setup.daemon.components.authority._clock = wall
        reader, writer, _ = await let_in(port)
        wall.forward(1)
        assert await over(reader)
        writer.close()
        await until(lambda: audited(setup, "close"), "the record of the end")
        (record,) = audited(setup, "close")
        assert (record["code"], record["rule"]) == (4403, "rule 1")
        assert "only mon-fri 08:00-18:00 (rule 1)" in record["text"]
        zone = zone_text(datetime(2026, 11, 24))
        text = f"allowed only mon-fri 08:00-18:00 (rule 1), and it is Tue 18:00 ({zone})."
        assert await refusal(port) == f"Opening this console is {text}"


async def test_rules_that_a_reload_brings_and_takes_away(
    tmp_path: Path, port: int, kernel: Kernel
) -> None:
    """Who is on without one has to go, as in a browser."""
    rules: list[Rule] = []

    def reread(config: Config) -> Config:
        return msgspec.structs.replace(config, rule=tuple(rules))

    async with running(tmp_path, instance=instance(tmp_path, port), reread=reread) as setup:
        kernel.uid = None
        unknown, leaving, _ = await let_in(port)
        kernel.uid = 70001
        ann, staying, _ = await let_in(port)
        rules.extend(rule())
        await reload(setup)
        assert await over(unknown)
        leaving.close()
        assert not ann.at_eof()
        del rules[0]
        await reload(setup)
        assert await over(ann)
        staying.close()
        await until(lambda: len(audited(setup, "close")) == 2, "the ends")
        assert {one["code"] for one in audited(setup, "close")} == {4403}
        assert "No rule lets the account ann" in await refusal(port)
