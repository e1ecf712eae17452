"""Below a path: a proxy that takes it off and one that doesn't find the same, which leads there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.owner_client import OwnerClient, owner_client
from tests.setup import running
from vncproxy.addresses import OWN_PATHS
from vncproxy.config.model import Listen
from vncproxy.web.assets import ASSETS
from vncproxy.web.server import routes

pytestmark = pytest.mark.sockets

BASE = "/tools/vnc"


@pytest_asyncio.fixture
async def below(tmp_path: Path) -> AsyncIterator[OwnerClient]:
    """A daemon with one door below `BASE`."""
    door = Listen(address="127.0.0.1:0", access="token", base_path=BASE)
    async with running(tmp_path, listen=(door,)) as setup:
        yield owner_client(setup)


async def test_every_address_is_there_with_and_without_the_path(below: OwnerClient) -> None:
    """And says the same."""
    version = ASSETS.version
    paths = ("/", "/enter", "/console/demo", "/admin", "/healthz", f"/static/{version}/icon.svg")
    for path in paths:
        with_it, without = await below.ask(f"{BASE}{path}"), await below.ask(path)
        assert with_it.status == without.status == 200, path
        assert with_it.body == without.body, path
    assert (await below.ask(BASE)).body == (await below.ask(f"{BASE}/")).body
    owner = f"Authorization: Bearer {below.token}"
    for path in ("/api/v1/instances", "/api/v1/consoles/demo/admission", "/readyz"):
        for base in (BASE, ""):
            assert (await below.ask(f"{base}{path}", owner)).status == 200, base
            assert (await below.ask(f"{base}{path}")).status in (200, 401), base


async def test_what_is_not_below_it(below: OwnerClient) -> None:
    """Neither a part of the path nor the path twice leads anywhere."""
    for path in ("/tools", "/tools/", "/vnc", f"{BASE}x/enter", f"{BASE}{BASE}/enter", f"{BASE}//"):
        assert (await below.ask(path)).status == 404, path


async def test_pages_lead_below_it(below: OwnerClient) -> None:
    """Each address in them; refusals that a person sees are pages, too."""
    for answer in (
        await below.ask("/console/demo"),
        await below.ask(f"{BASE}/nowhere", "Accept: text/html"),
    ):
        text = answer.body.decode()
        assert f'="{BASE}/static/' in text
        assert text.count('="/') == text.count(f'="{BASE}/') + text.count(f'content="{BASE}"')
    assert f'content="{BASE}"' in (await below.ask("/console/demo")).body.decode()


async def test_another_site_may_lead_to_enter_only(below: OwnerClient) -> None:
    """As without a path."""
    foreign = "Sec-Fetch-Site: cross-site"
    for base in (BASE, ""):
        assert (await below.ask(f"{base}/enter", foreign)).status == 200, base
        assert (await below.ask(f"{base}/console/demo", foreign)).status == 403, base


async def test_the_cookie_is_for_that_path(below: OwnerClient) -> None:
    """Another program of the same host isn't sent it; the log-out takes that one away."""
    url = f"{below.setup.base}{BASE}/api/v1/session"
    async with below.setup.http.post(url, json={"token": below.token}) as answer:
        assert answer.status == 204
        cookie = answer.cookies[below.cookie_name]
    assert cookie["path"] == BASE
    headers = {"Cookie": f"{below.cookie_name}={cookie.value}"}
    async with below.setup.http.delete(url, headers=headers) as answer:
        assert answer.cookies[below.cookie_name]["path"] == BASE


def test_no_path_of_vncproxys_own_can_be_a_base_path() -> None:
    """Else a request whose base path was taken off could be meant for another route."""
    firsts = {route.path.split("/")[1] for route in routes("")} - {""}
    assert firsts
    # Of the contract; not every route is there yet.
    assert firsts <= OWN_PATHS
