"""The way to the cloud, by the configuration."""

from __future__ import annotations

from vncproxy.config.model import Aliyun, Config, Limits
from vncproxy.service.cloud import budget_of
from vncproxy.throttle.budget import Budget


def test_the_budget_of_the_settings() -> None:
    """The limit, and a hold that the call for the VncUrl fits in."""
    config = Config(limits=Limits(reconnects_per_minute=7), aliyun=Aliyun(call_timeout=3.0))
    assert budget_of(config) == Budget(limit=7, hold_s=3.0)
