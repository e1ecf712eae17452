"""The way to the cloud, by the configuration."""

from __future__ import annotations

import pytest

from vncproxy.config.model import Aliyun, Config, Limits
from vncproxy.errors import CloudError
from vncproxy.service.cloud_client import CurrentCloud, budget_of, cloud_of, cloud_over
from vncproxy.service.loaded_config import Current
from vncproxy.simulator.settings import SimulatorSettings
from vncproxy.simulator.simulator import Simulator
from vncproxy.throttle.reconnect_budget import Budget


def test_the_budget_of_the_settings() -> None:
    """The limit, a hold that the call for the VncUrl fits in, and what is counted for."""
    config = Config(limits=Limits(reconnects_per_minute=7), aliyun=Aliyun(call_timeout=3.0))
    assert budget_of(config) == Budget(limit=7, hold_s=3.0)
    account = Config(limits=Limits(reconnects_key="account"))
    assert budget_of(account) == Budget(by_account=True)


@pytest.mark.sockets
async def test_a_new_way_to_the_cloud_is_used_at_once() -> None:
    """Who holds the current one asks by it from then on, with its credentials and endpoint."""
    async with Simulator(SimulatorSettings(animated=False)) as cloud:
        keys = cloud.settings.keys[0]
        right = {"ALIBABA_CLOUD_ACCESS_KEY_ID": keys.key_id}
        right["ALIBABA_CLOUD_ACCESS_KEY_SECRET"] = keys.secret
        if keys.security_token:
            right["ALIBABA_CLOUD_SECURITY_TOKEN"] = keys.security_token
        wrong = {**right, "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "wrong"}
        config = Config(aliyun=Aliyun(endpoint=cloud.endpoint))
        one = cloud.settings.instances[0]
        async with cloud_of(config, wrong) as first:
            in_force = Current(first)
            current = CurrentCloud(lambda: in_force.now)
            with pytest.raises(CloudError):
                await current.status(one.instance_id, one.region)
            in_force.swap(cloud_over(first.session, config, right))
            assert await current.status(one.instance_id, one.region) == "Running"
            assert (await current.vnc_url(one.instance_id, one.region)).reveal()
            assert [i.id for i in await current.instances(one.region, [one.instance_id])] == [
                one.instance_id
            ]
