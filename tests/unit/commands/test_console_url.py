"""Links to consoles, against a daemon."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.setup import running
from tests.unit.commands.surroundings import DEMO, Installation
from vncproxy.commands.console_url import console_url
from vncproxy.commands.daemon_client import NoDaemonError
from vncproxy.config.model import Listen
from vncproxy.errors import AccessError, ConfigError

pytestmark = pytest.mark.sockets


async def test_a_link_opens_once(installation: Installation) -> None:
    """It leads to the page with a ticket in its fragment, which makes a cookie once."""
    config = installation.config()
    async with running(
        installation.folder, cloud=installation.cloud, listen=config.listen
    ) as setup:
        link = await console_url(config, {}, "demo", None)
        parts = urlsplit(link)
        assert (parts.netloc, parts.path) == (f"127.0.0.1:{installation.port}", "/enter")
        async with setup.http.get(link) as page:
            assert page.status == 200
        body = {"ticket": parts.fragment}
        async with setup.http.post(f"{setup.base}/api/v1/session", json=body) as answer:
            assert await answer.json() == {"next": "/console/demo"}
        async with setup.http.post(f"{setup.base}/api/v1/session", json=body) as answer:
            assert answer.status == 401


async def test_links_for_another_base(installation: Installation, short_path: Path) -> None:
    """As the browser reaches the daemon; with a Unix door only, it must be given."""
    unix = (Listen(address=f"unix:{short_path}/d.sock", access="token"),)
    async with running(installation.folder, cloud=installation.cloud, listen=unix):
        config = installation.config(listen=unix)
        with pytest.raises(ConfigError, match="--base-url"):
            await console_url(config, {}, "demo", None)
        link = await console_url(config, {}, "demo", "https://bastion.example/vnc/")
        assert link.startswith("https://bastion.example/vnc/enter#")


async def test_links_lead_to_a_door_that_takes_them(
    installation: Installation, short_path: Path
) -> None:
    """A ticket of the token's owner is none at a door for users."""
    users = Listen(name="users", address="127.0.0.1:1", access="users")
    unix = Listen(name="unix", address=f"unix:{short_path}/d.sock", access="token")
    tcp = Listen(name="tcp", address=f"127.0.0.1:{installation.port}")
    async with running(installation.folder, cloud=installation.cloud, listen=(unix, tcp)):
        link = await console_url(installation.config(listen=(users, unix, tcp)), {}, "demo", None)
        assert urlsplit(link).netloc == f"127.0.0.1:{installation.port}"
        with pytest.raises(ConfigError, match="--base-url"):
            await console_url(installation.config(listen=(users, unix)), {}, "demo", None)


async def test_links_to_doors_where_people_prove_who_they_are(installation: Installation) -> None:
    """A plain address, of an instance that there is, by its alias."""
    users = (Listen(address=f"127.0.0.1:{installation.port}", access="users"),)
    config = installation.config(listen=users)
    async with running(installation.folder, cloud=installation.cloud, listen=users):
        for name in ("demo", DEMO.instance_id):
            link = await console_url(config, {}, name, None)
            assert link == f"http://127.0.0.1:{installation.port}/console/demo"
        with pytest.raises(AccessError, match="nope"):
            await console_url(config, {}, "nope", None)


async def test_links_that_cannot_be(installation: Installation) -> None:
    """No daemon, or no such instance."""
    config = installation.config()
    with pytest.raises(NoDaemonError):
        await console_url(config, {}, "demo", None)
    async with running(installation.folder, cloud=installation.cloud, listen=config.listen):
        with pytest.raises(AccessError) as refusal:
            await console_url(config, {}, "unknown", None)
        assert refusal.value.status == 404
