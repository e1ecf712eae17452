"""`vncproxy forget`, against a daemon."""

from __future__ import annotations

import time

import pytest

from tests.unit.commands.surroundings import Installation
from vncproxy.commands.daemon_client import NoDaemonError
from vncproxy.commands.forget import forget
from vncproxy.errors import AccessError
from vncproxy.instances.keepalive_memory import FILE_NAME, Learned, LearnedStore, Opaque
from vncproxy.simulator.settings import DEMO_INSTANCE_ID

pytestmark = pytest.mark.sockets


async def test_what_was_learned_is_forgotten(installation: Installation) -> None:
    """Once; then nothing is known. Of an instance that isn't there nothing can be."""
    config = installation.config()
    async with installation.daemon(config):
        store = LearnedStore(installation.folder / "state" / FILE_NAME, time.time)
        opaque = Opaque(b"RFB 003.008\n\1\1", time.time())
        await store.put(DEMO_INSTANCE_ID, Learned("pointer", 0, (), "", opaque, time.time()))
        assert "forgotten" in await forget(config, {}, "demo")
        assert await store.get(DEMO_INSTANCE_ID) is None
        assert "nothing was known" in await forget(config, {}, DEMO_INSTANCE_ID)
        with pytest.raises(AccessError) as refused:
            await forget(config, {}, "../demo")
        assert refused.value.status == 404


async def test_without_a_daemon(installation: Installation) -> None:
    """Which alone may write there."""
    with pytest.raises(NoDaemonError):
        await forget(installation.config(), {}, "demo")
