"""What stands in the way of opening consoles: looked for now and then, answered from memory."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from tests.setup import until
from vncproxy.aliyun.credentials import Credentials
from vncproxy.aliyun.errors import permanent
from vncproxy.audit.log import NullAudit
from vncproxy.config.model import Aliyun, Config, Instance
from vncproxy.console.registry import Registry
from vncproxy.errors import CloudError, CloudErrorKind, LedgerError, LedgerSlow, LedgerUnusable
from vncproxy.service import readiness
from vncproxy.service.cloud_client import CurrentCloud
from vncproxy.service.readiness import Readiness, check_ledger_at_start, warn_of_missing
from vncproxy.throttle.memory_ledger import MemoryLedger
from vncproxy.throttle.reconnect_budget import Budget


class Ledger(MemoryLedger):
    """Counts how often it is checked; then fails, or hangs."""

    def __init__(self) -> None:
        super().__init__(Budget, time.monotonic)
        self.checks = 0
        self.fault: LedgerError | None = None
        self.hangs = False

    async def check_writable(self) -> None:
        self.checks += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.fault is not None:
            raise self.fault


class CheckedCredentials:
    """As a source of them."""

    def __init__(self) -> None:
        self.fault: CloudError | None = None

    async def get(self) -> None:
        if self.fault is not None:
            raise self.fault


class Setup:
    """All that readiness looks at."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.credentials = CheckedCredentials()
        self.audit: Any = NullAudit()
        self.registry = SimpleNamespace(draining=False)
        cloud = SimpleNamespace(now=SimpleNamespace(credentials=self.credentials))
        self.readiness = Readiness(
            cast(Registry, self.registry), self.ledger, cast(CurrentCloud, cloud), self.audit
        )


@pytest.fixture
def setup() -> Setup:
    return Setup()


async def test_asking_looks_at_nothing(setup: Setup) -> None:
    """Only the watch does, once in a while."""
    watching = asyncio.create_task(setup.readiness.watch())
    await until(lambda: setup.ledger.checks, "the first look")
    for _ in range(1000):
        assert setup.readiness.problems() == []
    assert setup.ledger.checks == 1
    watching.cancel()


async def test_what_is_found_is_reported_until_it_is_over(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger's words and the credentials'; looked for again soon."""
    monkeypatch.setattr(readiness, "RETRY_INTERVAL_S", 0.01)
    setup.ledger.fault = LedgerError("the disk is full")
    setup.credentials.fault = CloudError("no credentials", CloudErrorKind.PERMANENT)
    watching = asyncio.create_task(setup.readiness.watch())
    await until(setup.readiness.problems, "what is wrong")
    assert setup.readiness.problems() == ["the disk is full", "no credentials"]
    setup.ledger.fault = setup.credentials.fault = None
    await until(lambda: not setup.readiness.problems(), "the end of it")
    watching.cancel()


async def test_a_change_is_looked_at_soon(setup: Setup) -> None:
    """A reload may have mended something, or not."""
    watching = asyncio.create_task(setup.readiness.watch())
    await until(lambda: setup.ledger.checks, "the first look")
    setup.ledger.fault = LedgerError("the disk is full")
    setup.readiness.check_soon()
    await until(setup.readiness.problems, "what is wrong")
    watching.cancel()


async def test_what_the_daemon_knows_by_itself_is_reported_at_once(setup: Setup) -> None:
    """A drain, and an audit that can't be written."""
    setup.registry.draining = True
    setup.audit.problem = "The audit can't be written."
    assert setup.readiness.problems() == ["The daemon is stopping.", "The audit can't be written."]


@pytest.mark.parametrize("hangs", [True, False])
async def test_a_slow_ledger_is_no_obstacle_to_the_start(setup: Setup, hangs: bool) -> None:
    """The log says so; what it is slow with goes on."""
    setup.ledger.hangs = hangs
    setup.ledger.fault = LedgerSlow("doesn't answer")
    with capture_logs() as events:
        await check_ledger_at_start(setup.ledger, timeout_s=0.01)
    assert [event["event"] for event in events] == ["ledger.slow"]


async def test_a_ledger_that_can_not_be_used_is_one(setup: Setup) -> None:
    """Somebody has to mend it first."""
    setup.ledger.fault = LedgerUnusable("is damaged")
    with pytest.raises(LedgerError, match="is damaged"):
        await check_ledger_at_start(setup.ledger)


# What a daemon says that has nothing to open, or nothing to open it with


class Source:
    """Gives credentials, or none."""

    def __init__(self, *, has: bool) -> None:
        """Know which."""
        self._has = has

    async def get(self) -> Credentials:
        """Raises: CloudError."""
        if not self._has:
            raise permanent("There are no credentials.", "NoCredentials")
        return Credentials("id", "secret", None, "env")

    async def refresh(self, stale: Credentials | None = None) -> Credentials:
        """The same."""
        return await self.get()


async def told(config: Config, *, has: bool) -> dict[str, str]:
    """The events and their texts."""
    with capture_logs() as events:
        await warn_of_missing(config, Source(has=has))
    assert {event["log_level"] for event in events} <= {"warning"}
    return {event["event"]: event["text"] for event in events}


async def test_what_is_missing() -> None:
    """Instances and credentials, each in words that say what to do."""
    found = await told(Config(), has=False)
    assert list(found) == ["instances.missing", "credentials.missing"]
    assert "[[instance]]" in found["instances.missing"]
    assert found["credentials.missing"] == "There are no credentials."


async def test_nothing_is_missing() -> None:
    """A configured instance is enough, and so is discovery."""
    one = Config(instance=(Instance(id="i-bp1demo0000000000001"),))
    assert await told(one, has=True) == {}
    assert await told(Config(aliyun=Aliyun(discover=True)), has=True) == {}
