"""Real programs as fixtures: QEMU and Xvnc, each one for a file, Chromium for all; accounts.

They live in the event loop of the whole run, as do the tests that use them.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.clock import IdleClock
from tests.real.console_tab import Tab, fresh_tab
from tests.real.peers.accounts import Accounts, made_accounts
from tests.real.peers.browser import Browser, Chromium
from tests.real.peers.browser import chromium as start_chromium
from tests.real.peers.qemu import Qemu
from tests.real.peers.qemu import qemu as start_qemu
from tests.real.peers.xvnc import Xvnc
from tests.real.peers.xvnc import xvnc as start_xvnc


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs something of the machine's."""
    here = f"{Path(__file__).parent}/"
    for item in items:
        if str(item.path).startswith(here):
            item.add_marker(pytest.mark.real)
        if item.path.name == "test_packaging.py":
            item.add_marker(pytest.mark.needs_network)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def qemu(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Qemu]:
    """A machine without a VNC password for this file, its guest ready to be typed to."""
    async with start_qemu(tmp_path_factory.mktemp("s") / "q") as machine:
        yield machine


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def xvnc(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Xvnc]:
    """An X server without a VNC password for this file, its terminal ready to be typed to."""
    async with start_xvnc(tmp_path_factory.mktemp("s") / "x") as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def idle_clock(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[IdleClock]:
    """The process's clock, which passes only while the run's event loop waits."""
    clock = IdleClock(asyncio.get_running_loop())
    with clock.in_place(monkeypatch):
        yield clock


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium_program() -> AsyncIterator[Chromium]:
    """A headless browser, running."""
    async with start_chromium() as program:
        yield program


@pytest_asyncio.fixture(loop_scope="session")
async def chromium(chromium_program: Chromium) -> AsyncIterator[Browser]:
    """The browser with a new profile."""
    async with chromium_program.profile() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="session")
async def tab(chromium: Browser, tmp_path: Path) -> AsyncIterator[Tab]:
    """A new tab, without complaints at its end but for those that a test expects."""
    async with fresh_tab(chromium, tmp_path) as tab:
        yield tab


@pytest.fixture(scope="module")
def accounts() -> Iterator[Accounts]:
    """Made for the module, and gone afterwards."""
    with made_accounts() as made:
        yield made


@pytest.fixture
def meeting_place() -> Iterator[Path]:
    """A folder that every account may enter."""
    with tempfile.TemporaryDirectory(prefix="vp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
