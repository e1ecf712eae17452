"""The directory of accounts, near and far."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from tests.clock import FakeClock
from vncproxy.access import account_directory as module
from vncproxy.access.account_directory import KEPT_FOR_S, Directory, DirectoryAway
from vncproxy.access.accounts import least_uid

ANN_UID = least_uid() + 1


class Machine:
    """A directory that may be away."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is here; ann is in ops."""
        self._monkeypatch = monkeypatch
        self.here = threading.Event()
        self.here.set()
        self.clock = FakeClock(0.0)
        self.asked: list[int | str] = []
        self.groups = frozenset({"ops"})
        self.directory = Directory(self._groups_of, self._name_of, self.clock)

    def leave(self) -> None:
        """It goes, and its callers have little time from then on."""
        self._monkeypatch.setattr(module, "ANSWER_TIMEOUT_S", 0.05)
        self._monkeypatch.setattr(module, "PATIENCE_S", 0.01)
        self.here.clear()

    def _name_of(self, uid: int) -> str | None:
        self.asked.append(uid)
        self.here.wait(20.0)
        return "ann" if uid == ANN_UID else None

    def _groups_of(self, user: str) -> frozenset[str]:
        self.asked.append(user)
        self.here.wait(20.0)
        return self.groups


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """One whose threads end with the test."""
    monkeypatch.setattr(module, "ANSWER_TIMEOUT_S", 60.0)
    found = Machine(monkeypatch)
    yield found
    found.here.set()


async def test_what_is_learned_is_known(machine: Machine) -> None:
    """Names of people, and groups."""
    await machine.directory.learn_name(ANN_UID)
    await machine.directory.learn_groups("ann")
    assert machine.directory.name(ANN_UID) == "ann"
    assert machine.directory.groups("ann") == {"ops"}
    assert machine.asked == [ANN_UID, "ann"]


async def test_services_are_nobody_without_a_question(machine: Machine) -> None:
    """So the daemon's neighbours, and its probes, never wait for a directory."""
    machine.leave()
    for uid in (0, 33, 65534):
        await machine.directory.learn_name(uid)
        assert machine.directory.name(uid) is None
    assert machine.asked == []


async def test_who_is_not_known_is_not_denied(machine: Machine) -> None:
    """That the directory is away is stated as it is, and once in the log."""
    machine.leave()
    with capture_logs() as logged:
        for _ in range(3):
            with pytest.raises(DirectoryAway, match="doesn't answer") as caught:
                await machine.directory.learn_name(ANN_UID)
            with pytest.raises(DirectoryAway):
                machine.directory.name(ANN_UID)
            with pytest.raises(DirectoryAway):
                await machine.directory.learn_groups("ann")
    assert (caught.value.status, caught.value.word) == (503, "directory-away")
    assert [one["event"] for one in logged] == ["directory.away"]


async def test_an_older_answer_counts_for_some_minutes(machine: Machine) -> None:
    """Then it doesn't any more, except for those who are on already."""
    await machine.directory.learn_groups("ann")
    machine.leave()
    machine.clock.seconds = KEPT_FOR_S - 1
    await machine.directory.learn_groups("ann")
    assert not await machine.directory.refresh_groups("ann")
    machine.clock.seconds = KEPT_FOR_S + 1
    with pytest.raises(DirectoryAway):
        await machine.directory.learn_groups("ann")
    assert machine.directory.groups("ann") == {"ops"}


async def test_groups_are_as_they_are_now_after_a_renewal(machine: Machine) -> None:
    """What is asked for anew isn't taken from what is kept."""
    await machine.directory.learn_groups("ann")
    machine.groups = frozenset()
    machine.clock.seconds = 1.0
    machine.directory.expire()
    machine.clock.seconds = 2.0
    assert await machine.directory.refresh_groups("ann")
    assert machine.directory.groups("ann") == frozenset()
