"""What tests of the WebSocket to the cloud share."""

from __future__ import annotations

import pytest

from vncproxy.websocket import gateway_dial, gateway_transport


@pytest.fixture
def short_farewells(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gateways that never answer a close are dropped sooner: by the library, and by its caller."""
    for module in (gateway_dial, gateway_transport):
        monkeypatch.setattr(module, "CLOSE_TIMEOUT_S", 0.5)
