"""A server's limits, which aren't reached because the machine is busy."""

from __future__ import annotations

import pytest

from tests.setup import WAIT_S
from vncproxy.throttle import valkey_connection, valkey_sentinels


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """The servers are programs of their own, which may be stopped for a while."""
    monkeypatch.setattr(valkey_connection, "ANSWER_TIMEOUT_S", WAIT_S)
    monkeypatch.setattr(valkey_sentinels, "SENTINEL_TIMEOUT_S", WAIT_S)
