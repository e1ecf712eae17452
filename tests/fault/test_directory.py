"""A directory of accounts that hangs, behind a daemon that runs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clock import IdleClock
from tests.setup import WAIT_S, Running, running, until
from tests.unit.web.raw_http import Answer, ask
from vncproxy.access import account_directory
from vncproxy.access.accounts import least_uid
from vncproxy.config.model import Listen, Rule
from vncproxy.web import door as door_module

RULES = (Rule(users=("@ops",), instances=("*",)),)
DOORS = (
    Listen(name="bastion", address="127.0.0.1:0", access="peer"),
    Listen(name="owner", address="127.0.0.1:0"),
)
LIST = "/api/v1/instances"
ANN, BOB = least_uid() + 1, least_uid() + 2


class Accounts:
    """Two accounts in `ops`, in a directory that may hang."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        """It answers; ann is who connects."""
        self.here = threading.Event()
        self.here.set()
        self.groups = frozenset({"ops"})
        self.uid = ANN
        self.waiting = 0
        patch.setattr(door_module, "uid_behind", lambda transport: self.uid)
        patch.setattr(account_directory, "PATIENCE_S", 0.05)

    def behind(self, setup: Running) -> Running:
        """Let a daemon find these."""
        found = setup.daemon.components.authority.directory
        found._names._look_up = self._name_of
        found._groups._look_up = self._groups_of
        return setup

    def _name_of(self, uid: int) -> str:
        self._wait()
        return {ANN: "ann", BOB: "bob"}[uid]

    def _groups_of(self, user: str) -> frozenset[str]:
        self._wait()
        return self.groups

    def _wait(self) -> None:
        self.waiting += 1
        self.here.wait(WAIT_S)
        self.waiting -= 1


@pytest.fixture
def accounts(monkeypatch: pytest.MonkeyPatch) -> Iterator[Accounts]:
    """Whose directory answers at last, so that no thread is left."""
    found = Accounts(monkeypatch)
    yield found
    found.here.set()


async def asked(setup: Running, target: str, door: int = 0) -> Answer:
    """One request."""
    return await ask(setup.daemon.servers[door].port, target)


async def test_others_go_on_while_it_hangs(
    tmp_path: Path, accounts: Accounts, idle_clock: IdleClock
) -> None:
    """Who isn't known learns why; who is on stays on, and who is known comes in."""
    async with running(tmp_path, listen=DOORS, rule=RULES) as setup:
        accounts.behind(setup)
        viewer = await setup.viewer()
        accounts.here.clear()
        accounts.uid = BOB
        waiting = asyncio.gather(*(asked(setup, LIST) for _ in range(5)))
        await until(lambda: accounts.waiting, "the question")
        for door in (0, 1):
            assert (await asked(setup, "/healthz", door)).status == 200
        assert not waiting.done(), "answered before whoever has to wait"
        await idle_clock.forward(account_directory.ANSWER_TIMEOUT_S)
        for answer in await waiting:
            assert (answer.status, answer.word) == (503, "directory-away")
            assert "directory of accounts doesn't answer" in answer.json["error"]["text"]
        accounts.uid = ANN
        await viewer.type("on")
        await until(lambda: setup.cloud.typed_text == "on", "the keys")
        # Known already, and so for some minutes.
        setup.daemon.components.authority.directory.expire()
        assert (await asked(setup, LIST)).json["user"] == "ann"
        accounts.uid = BOB
        accounts.here.set()
        async with asyncio.timeout(WAIT_S):
            while (answer := await asked(setup, LIST)).status == 503:
                await asyncio.sleep(0.01)
        assert answer.json["user"] == "bob"


async def test_a_reload_sends_nobody_away_while_it_hangs(
    tmp_path: Path,
    accounts: Accounts,
    idle_clock: IdleClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It says so; who has left the group has to go once the directory tells."""
    monkeypatch.setattr("vncproxy.service.hours_watch.UNSURE_INTERVAL_S", 0.05)
    monkeypatch.setattr("vncproxy.service.hours_watch.CHECK_INTERVAL_S", 0.05)
    async with running(tmp_path, listen=DOORS, rule=RULES, reread=lambda same: same) as setup:
        accounts.behind(setup)
        viewer = await setup.viewer()
        accounts.here.clear()
        accounts.groups = frozenset()
        setup.daemon.reload()
        reloads = setup.daemon._reloads
        await until(lambda: accounts.waiting, "the question")
        await idle_clock.forward(account_directory.ANSWER_TIMEOUT_S)
        await until(lambda: "directory of accounts" in "".join(reloads.notes), "the note")
        await viewer.type("on")
        await until(lambda: setup.cloud.typed_text == "on", "the keys")
        accounts.here.set()
        assert await viewer.ended() == 4403
