"""Real programs as fixtures: QEMU, Xvnc and Chromium, each new for every test; accounts."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.real.peers.accounts import Accounts, made_accounts
from tests.real.peers.browser import Browser
from tests.real.peers.browser import chromium as start_chromium
from tests.real.peers.qemu import Qemu
from tests.real.peers.qemu import qemu as start_qemu
from tests.real.peers.xvnc import Xvnc
from tests.real.peers.xvnc import xvnc as start_xvnc


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs something of the machine's."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.real)
        if item.path.name == "test_packaging.py":
            item.add_marker(pytest.mark.needs_network)


@pytest.fixture
async def qemu(short_path: Path) -> AsyncIterator[Qemu]:
    """A machine without a VNC password, its guest ready to be typed to."""
    async with start_qemu(short_path / "qemu") as machine:
        yield machine


@pytest.fixture
async def xvnc(tmp_path: Path) -> AsyncIterator[Xvnc]:
    """An X server without a VNC password, its terminal ready to be typed to."""
    async with start_xvnc(tmp_path / "xvnc") as server:
        yield server


@pytest.fixture
async def chromium(tmp_path: Path) -> AsyncIterator[Browser]:
    """A headless browser with a new profile."""
    async with start_chromium(tmp_path / "chromium") as browser:
        yield browser


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
