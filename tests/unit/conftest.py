"""A real server for the tests of what talks to one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.real.peers.valkey import ValkeyServer
from tests.real.peers.valkey import valkey_server as start_valkey_server
from vncproxy.throttle.valkey_connection import StoreAddress


@pytest.fixture(scope="session")
def shared_valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """One server for all tests that leave it running."""
    with start_valkey_server(tmp_path_factory.mktemp("v")) as server:
        yield server


@pytest.fixture
def valkey_server(shared_valkey: ValkeyServer) -> ValkeyServer:
    """An empty server, to be left running."""
    assert shared_valkey.command("FLUSHALL") == b"+OK\r\n"
    return shared_valkey


@pytest.fixture
def store_address(valkey_server: ValkeyServer) -> StoreAddress:
    """Where that server is."""
    return StoreAddress(host="127.0.0.1", port=valkey_server.port)
