"""What every test may use, and the surroundings that no test may depend on."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests.authority import Authority
from tests.clock import IdleClock, ProcessClock
from tests.real.peers.process import free_port

_FOREIGN = ("ALIBABA_CLOUD_", "ALICLOUD_", "VNCPROXY_", "NOTIFY_", "LISTEN_")
_FOREIGN_NAMES = frozenset(
    {
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "NO_PROXY",
        "STATE_DIRECTORY",
        "CREDENTIALS_DIRECTORY",
    }
)

# No property depends on how fast the machine is; a test's time limit ends what hangs.
settings.register_profile(
    "any-machine",
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.filter_too_much,
        HealthCheck.function_scoped_fixture,
    ],
)
settings.load_profile("any-machine")


TIMEOUT_AGAIN_S = 30.0
"""So long after its limit a test is stopped again that waits once more while it is cleaned up."""


class TookTooLong(BaseException):
    """A hypothesis test's time limit is over.

    No Exception: hypothesis takes those, and pytest's own failures, for something to be tried again
    in simpler ways. A test that hangs would do so again, with no limit any more.
    """


@pytest.hookimpl(tryfirst=True)
def pytest_timeout_set_timer(item: pytest.Item, settings: Any) -> bool | None:
    """The time limit of a hypothesis test, see `TookTooLong`; pytest-timeout has that of others."""
    test = getattr(item, "obj", None)
    if not getattr(test, "is_hypothesis_test", False) or settings.method != "signal":
        return None

    def over(_number: int, _frame: object) -> None:
        raise TookTooLong(f"longer than {settings.timeout:g} s")

    def cancel() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)

    item.cancel_timeout = cancel  # type: ignore[attr-defined]
    signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, settings.timeout, TIMEOUT_AGAIN_S)
    return True


_FAST = ("unit", "property")
_OUTSIDE = frozenset({"socket.bind", "socket.connect", "subprocess.Popen", "os.posix_spawn"})
_outside_events: set[str] = set()


def _note_outside(event: str, _: tuple[object, ...]) -> None:
    if event in _OUTSIDE:
        _outside_events.add(event)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The folders whose files take longest come first: no worker is left with one at the end."""
    items.sort(key=lambda item: _folder(item, "real", "fault", "fuzz", "property", "unit"))


def _folder(item: pytest.Item, *names: str) -> int:
    path = item.path.as_posix()
    return next((n for n, name in enumerate(names) if f"/tests/{name}/" in path), len(names))


def pytest_configure(config: pytest.Config) -> None:
    """The marks that the fixtures here look at."""
    config.addinivalue_line("markers", "needs_network: installs packages; keeps the proxies")
    config.addinivalue_line("markers", "sockets: opens sockets or starts programs, so isn't fast")
    sys.addaudithook(_note_outside)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # As in what a script runs in the background. Programs that tests start would inherit it.
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def fast_means_fast(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that `tests/run fast` runs opens no socket and starts no program."""
    _outside_events.clear()
    yield
    is_fast = any(f"/tests/{name}/" in request.node.path.as_posix() for name in _FAST)
    if is_fast and request.node.get_closest_marker("sockets") is None:
        assert not _outside_events, "mark this test with pytest.mark.sockets"


@pytest.fixture(autouse=True)
def structlog_as_it_comes() -> None:
    """No test inherits the log level of a daemon that an earlier one ran in this process."""
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def clean_surroundings(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """No credentials, proxies or settings of the developer; no question to a metadata service.

    A test marked `needs_network`, which installs packages, keeps the proxies.
    """
    online = request.node.get_closest_marker("needs_network") is not None
    for name in list(os.environ):
        proxy = name.upper() in _FOREIGN_NAMES
        if (proxy and not online) or name.startswith(_FOREIGN):
            monkeypatch.delenv(name)
    if not online:
        # The machine's authorities are some hundreds, read anew by each daemon; no test needs one.
        monkeypatch.setenv("SSL_CERT_FILE", os.devnull)
        monkeypatch.setenv("SSL_CERT_DIR", os.devnull)
    monkeypatch.setenv("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")
    # English, whatever the developer's terminal speaks.
    monkeypatch.delenv("LC_ALL", raising=False)
    monkeypatch.setenv("LC_MESSAGES", "C")


@pytest.fixture
def process_clock(idle_clock: IdleClock) -> ProcessClock:
    """The process's clock, which a test may set forward: no second passes because it is busy."""
    return idle_clock


@pytest.fixture
async def idle_clock(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[IdleClock]:
    """The process's clock, which passes only while the event loop waits."""
    clock = IdleClock(asyncio.get_running_loop())
    with clock.in_place(monkeypatch):
        yield clock


@pytest.fixture
def port() -> int:
    """A TCP port on loopback that is free."""
    return free_port()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority of this run's own."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def short_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose path leaves room for a Unix socket's name (108 bytes)."""
    return tmp_path_factory.mktemp("s")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say aloud what was not tested, and why."""
    reasons = sorted(
        {
            str(report.longrepr[2])
            for report in terminalreporter.stats.get("skipped", [])
            if isinstance(report.longrepr, tuple)
        }
    )
    if reasons:
        terminalreporter.section("NOT TESTED", sep="=", red=True)
        for reason in reasons:
            terminalreporter.line(reason)
