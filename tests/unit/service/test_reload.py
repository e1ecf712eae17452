"""A reload as the service manager, the log and the audit see it; the daemon's is in test_app."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.setup import until
from tests.unit.access.test_users import add
from vncproxy.audit.record import Entry
from vncproxy.config.model import Access, Aliyun, Config, Instance, Limits, Listen, Log, Rule, State
from vncproxy.errors import AuditError, ConfigError, ConfigProblem
from vncproxy.observe.sd_notify import Notifier
from vncproxy.service.loaded_config import LoadedConfig
from vncproxy.service.reload import Reloads, Source, refuse_accidents, worth_a_warning

OLD = Config()


class Manager(Notifier):
    """Keeps what it is called with."""

    def __init__(self) -> None:
        """Nothing yet."""
        super().__init__(None)
        self.messages: list[str] = []

    def reloading(self) -> bool:
        """Noted."""
        self.messages.append("reloading")
        return True

    def ready(self, status: str = "") -> bool:
        """Noted."""
        self.messages.append(f"ready: {status}")
        return True


class KeptAudit:
    """Keeps what is recorded."""

    problem: str | None = None

    def __init__(self) -> None:
        """Nothing yet."""
        self.entries: list[Entry] = []
        self.fault: AuditError | None = None

    async def reopen(self) -> None:
        """The file was moved, or is where it was."""
        if self.fault is not None:
            raise self.fault

    async def record(self, *entries: Entry) -> None:
        """Never asked here."""
        raise NotImplementedError

    def record_later(self, entry: Entry) -> None:
        """Noted."""
        self.entries.append(entry)


class Setup:
    """Reloads from what `found` says."""

    def __init__(self, *, no_file: bool = False) -> None:
        """The file says what is in force."""
        self.found: Config | ConfigError = OLD
        self.applied: list[Config] = []
        self.notes: list[str] = []
        self.fault: Exception | None = None
        self.manager, self.evidence = Manager(), KeptAudit()
        source = None if no_file else Source(self.read, self.apply)
        self.reloads = Reloads(source, self.manager, self.evidence)

    def read(self) -> Config:
        """As `load`."""
        assert threading.current_thread() is not threading.main_thread()
        if isinstance(self.found, ConfigError):
            raise self.found
        return self.found

    async def apply(self, config: Config) -> list[str]:
        """As the daemon."""
        if self.fault is not None:
            raise self.fault
        self.applied.append(config)
        return self.notes

    async def reload(self) -> None:
        """Ask, and wait for the answer."""
        count = len(self.manager.messages)
        self.reloads.ask()
        await until(lambda: len(self.manager.messages) == count + 2, "the answer")


@asynccontextmanager
async def watching(*, no_file: bool = False) -> AsyncIterator[Setup]:
    """Reloads that are watched."""
    setup = Setup(no_file=no_file)
    task = asyncio.create_task(
        setup.reloads.watch(lambda: OLD, lambda: "; ".join(["open", *setup.reloads.notes]))
    )
    try:
        yield setup
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_a_new_configuration_is_taken() -> None:
    """The manager learns of the begin and the end, the audit that it was done."""
    async with watching() as setup:
        setup.found = Config(limits=Limits(linger=1.0))
        await setup.reload()
        assert setup.applied == [setup.found]
        assert setup.manager.messages == ["reloading", "ready: open"]
        (entry,) = setup.evidence.entries
        assert (entry.event, entry.reason, entry.text) == ("reload", "done", None)


async def test_what_needs_a_restart_is_reported() -> None:
    """In the status and the audit, with what the daemon itself had to say."""
    async with watching() as setup:
        setup.found = Config(state=State(directory=Path("/elsewhere")))
        setup.notes = ["the old credentials stay"]
        await setup.reload()
        text = "the old credentials stay; a restart is needed for [state]"
        assert setup.manager.messages[-1] == f"ready: open; {text}"
        assert setup.evidence.entries[0].text == text


async def test_a_wrong_configuration_changes_nothing() -> None:
    """Why is reported in one line, until a reload succeeds."""
    async with watching() as setup:
        setup.found = ConfigError([ConfigProblem("[log]", "level", "'loud'", "a level")])
        await setup.reload()
        assert setup.applied == []
        assert setup.manager.messages[-1].startswith(
            "ready: open; the reload was refused, all is as"
        )
        assert "'loud'" in setup.manager.messages[-1]
        (entry,) = setup.evidence.entries
        assert (entry.reason, "'loud'" in str(entry.text)) == ("refused", True)
        setup.found = Config(log=Log(level="debug"))
        await setup.reload()
        assert setup.manager.messages[-1] == "ready: open"


async def test_a_fault_does_not_end_reloads() -> None:
    """It is reported, and the next reload is carried out."""
    async with watching() as setup:
        setup.fault = ZeroDivisionError("planted")
        await setup.reload()
        assert "a fault of the daemon" in setup.manager.messages[-1]
        assert "planted" not in setup.manager.messages[-1]
        setup.fault = None
        await setup.reload()
        assert setup.manager.messages[-1] == "ready: open"
        assert [entry.reason for entry in setup.evidence.entries] == ["fault", "done"]


async def test_without_a_file() -> None:
    """A demo has none: the manager isn't left waiting."""
    async with watching(no_file=True) as setup:
        await setup.reload()
        assert setup.manager.messages == ["reloading", "ready: open"]
        assert setup.evidence.entries == []


async def test_asked_while_it_reloads() -> None:
    """Many signals at once are one reload more, not many."""
    async with watching() as setup:
        for _ in range(5):
            setup.reloads.ask()
        await until(lambda: setup.manager.messages[-1:] == ["ready: open"], "the answer")
        assert len(setup.applied) == 1


async def test_a_rotation_that_fails_is_reported() -> None:
    """In the status and the audit, or somebody throws away the file that is still in use."""
    async with watching() as setup:
        setup.evidence.fault = AuditError("it is a symbolic link.")
        await setup.reload()
        note = "the audit goes on in the file that was moved away: it is a symbolic link"
        assert setup.manager.messages[-1] == f"ready: open; {note}"
        assert setup.evidence.entries[0].text == note
        setup.found = ConfigError([ConfigProblem("[log]", "level", "'loud'", "a level")])
        await setup.reload()
        assert setup.manager.messages[-1].endswith(note)
    async with watching(no_file=True) as setup:
        setup.evidence.fault = AuditError("it is a symbolic link.")
        await setup.reload()
        assert setup.manager.messages[-1] == f"ready: open; {note}"


# Changes that look like an accident


WEB = Instance(id="i-bp1web", alias="web-1")
RULE = Rule(users=("ann",), instances=("*",))


def given(**settings: object) -> LoadedConfig:
    """What a configuration gives."""
    return LoadedConfig.of(Config(**{"instance": (WEB,), **settings}), ())  # type: ignore[arg-type]


def test_a_configuration_without_any_instance_is_refused() -> None:
    """As an editor on a full disk leaves it; unless there was none before."""
    empty = given(instance=())
    with pytest.raises(ConfigError, match="at least one, as before"):
        refuse_accidents(given(), empty)
    refuse_accidents(empty, empty)
    refuse_accidents(given(), given(instance=(), aliyun=Aliyun(discover=True)))


def test_users_that_are_gone_with_their_file_are_refused(tmp_path: Path) -> None:
    """A file without users is another thing, and so is another file."""
    path = tmp_path / "users.json"
    users = Access(users_file=path)
    refuse_accidents(given(access=users), given(access=users))
    add(path, "ann")
    old = given(access=users)
    path.unlink()
    with pytest.raises(ConfigError, match="it is gone"):
        refuse_accidents(old, given(access=users))
    refuse_accidents(old, given(access=Access(users_file=tmp_path / "other.json")))
    refuse_accidents(old, given())


def test_an_open_door_that_loses_its_rules_is_worth_a_warning() -> None:
    """Everybody may do everything then."""
    door = (Listen(name="hall", access="open"),)
    ruled, free = given(listen=door, rule=(RULE,)), given(listen=door)
    [text] = worth_a_warning(ruled, free)
    assert "(hall)" in text
    assert not worth_a_warning(free, free)
    assert not worth_a_warning(free, ruled)
    assert not worth_a_warning(given(rule=(RULE,)), given())
