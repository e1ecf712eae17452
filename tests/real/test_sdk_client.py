"""The official SDK's client against the simulator: it must take it for the cloud."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import unquote

import pytest
from alibabacloud_ecs20140526 import models
from alibabacloud_ecs20140526.client import Client
from alibabacloud_tea_openapi import utils_models
from darabonba.runtime import RuntimeOptions
from PIL import Image

from tests.unit.simulator.viewer import status_of
from vncproxy.simulator import AccessKey, SimulatedInstance, Simulator, SimulatorSettings

pytestmark = [
    pytest.mark.real,
    # The SDK's own, from Python 3.12 on.
    pytest.mark.filterwarnings(
        "ignore:datetime.datetime.utcnow:DeprecationWarning:alibabacloud_tea_openapi.utils"
    ),
]

STATIC = AccessKey("static-id", "static-secret")
STS = AccessKey("sts-id", "sts-secret", security_token="sts-token+/=")
OLD = AccessKey("old-id", "old-secret", security_token="old-token", expired=True)
INSTANCES = tuple(SimulatedInstance(f"i-{n:02d}", f"näme {n}") for n in range(12))
LOCKED = SimulatedInstance("i-locked", locked=True)
WINDOWS = SimulatedInstance("i-windows", os_type="windows")
STOPPED = SimulatedInstance("i-stopped", status="Stopped")
NOT_ALLOWED = AccessKey("poor-id", "poor-secret", denied_actions=frozenset({"StopInstance"}))


@pytest.fixture
async def cloud() -> AsyncIterator[Simulator]:
    """Three keys, twelve instances."""
    settings = SimulatorSettings(keys=(STATIC, STS, OLD), instances=INSTANCES, animated=False)
    async with Simulator(settings) as simulator:
        yield simulator


def client(cloud: Simulator, key: AccessKey = STATIC, secret: str | None = None) -> Any:
    """The SDK's client, pointed at the simulator."""
    return Client(
        utils_models.Config(
            access_key_id=key.key_id,
            access_key_secret=secret or key.secret,
            security_token=key.security_token or None,
            endpoint=f"127.0.0.1:{cloud.port}",
            protocol="HTTP",
            region_id="cn-hangzhou",
        )
    )


async def vnc_url(cloud: Simulator, key: AccessKey = STATIC, **wanted: Any) -> str:
    """A VncUrl as the SDK gives it. The client blocks, so it runs in a thread."""
    request = models.DescribeInstanceVncUrlRequest(region_id="cn-hangzhou", instance_id="i-03")
    options = RuntimeOptions(autoretry=False, read_timeout=5000, connect_timeout=5000)
    sdk = client(cloud, key, **wanted)
    answer = await asyncio.to_thread(sdk.describe_instance_vnc_url_with_options, request, options)
    url: str = answer.body.vnc_url
    return url


async def code_of(cloud: Simulator, key: AccessKey, **wanted: Any) -> str:
    """The error code that the SDK reports."""
    with pytest.raises(Exception) as caught:
        await vnc_url(cloud, key, **wanted)
    return str(getattr(caught.value, "code", caught.value))


@pytest.mark.parametrize("key", [STATIC, STS])
async def test_the_sdk_gets_a_vnc_url_that_works(cloud: Simulator, key: AccessKey) -> None:
    """With a static key and with an STS key."""
    answered = await vnc_url(cloud, key)
    assert answered.startswith("ws%3A%2F%2F")
    assert await status_of(unquote(answered)) == 101
    assert cloud.breaches == {}


async def test_the_sdk_lists_all_instances(cloud: Simulator) -> None:
    """Page by page, with names beyond ASCII."""
    sdk, found, token = client(cloud), [], ""
    while True:
        request = models.DescribeInstancesRequest(
            region_id="cn-hangzhou", max_results=5, next_token=token or None
        )
        answer = await asyncio.to_thread(sdk.describe_instances, request)
        found += [(i.instance_id, i.instance_name) for i in answer.body.instances.instance]
        token = answer.body.next_token
        if not token:
            break
    assert found == [(i.instance_id, i.name) for i in INSTANCES]
    assert len(cloud.calls) == 3


async def test_the_sdk_filters_by_ids(cloud: Simulator) -> None:
    """The JSON array in its query is signed in another spelling than on the wire."""
    request = models.DescribeInstancesRequest(
        region_id="cn-hangzhou", instance_ids='["i-01", "i-07"]'
    )
    answer = await asyncio.to_thread(client(cloud).describe_instances, request)
    assert [i.instance_id for i in answer.body.instances.instance] == ["i-01", "i-07"]


async def test_the_sdk_is_refused_with_the_clouds_codes(cloud: Simulator) -> None:
    """A wrong secret, an unknown key, an expired token."""
    assert await code_of(cloud, STATIC, secret="wrong") == "SignatureDoesNotMatch"
    assert await code_of(cloud, AccessKey("nobody", "x")) == "InvalidAccessKeyId.NotFound"
    assert await code_of(cloud, OLD) == "InvalidSecurityToken.Expired"


@pytest.fixture
async def machines() -> AsyncIterator[Simulator]:
    """Instances that can be looked at, started and stopped."""
    settings = SimulatorSettings(
        keys=(STATIC, NOT_ALLOWED),
        instances=(INSTANCES[3], LOCKED, WINDOWS, STOPPED),
        animated=False,
    )
    async with Simulator(settings) as simulator:
        yield simulator


async def called(
    cloud: Simulator, name: str, key: AccessKey = STATIC, **parameters: Any
) -> tuple[str, Any]:
    """The error code, or OK, of a call of the SDK's, and the body of its answer."""
    if "region_id" not in parameters and name.startswith("Get"):
        parameters["region_id"] = "cn-hangzhou"
    request = getattr(models, f"{name}Request")(**parameters)
    method = "".join(f"_{c.lower()}" if c.isupper() else c for c in name).removeprefix("_")
    call = getattr(client(cloud, key), f"{method}_with_options")
    options = RuntimeOptions(autoretry=False, read_timeout=5000, connect_timeout=5000)
    try:
        answer = await asyncio.to_thread(call, request, options)
    except Exception as error:
        return str(getattr(error, "code", error)), None
    return "OK", answer.body


async def test_the_sdk_gets_a_picture_and_is_throttled(machines: Simulator) -> None:
    """The picture is the screen; the second comes too soon."""
    code, body = await called(machines, "GetInstanceScreenshot", instance_id="i-03", wake_up=True)
    assert code == "OK"
    assert body.instance_id == "i-03"
    with Image.open(io.BytesIO(base64.b64decode(body.screenshot, validate=True))) as picture:
        assert picture.size == machines.screen_size()
        assert picture.convert("RGB").tobytes() == machines.framebuffer()
    code, _ = await called(machines, "GetInstanceScreenshot", instance_id="i-03")
    assert code == "Throttling"
    code, _ = await called(machines, "GetInstanceScreenshot", instance_id="i-stopped")
    assert code == "IncorrectInstanceStatus"


async def test_the_sdk_gets_a_boot_log(machines: Simulator) -> None:
    """Of Linux, with its time."""
    code, body = await called(machines, "GetInstanceConsoleOutput", instance_id="i-03")
    assert code == "OK"
    assert "Linux version" in base64.b64decode(body.console_output, validate=True).decode()
    assert len(body.last_update_time) == len("2018-03-22 10:04:57")
    code, _ = await called(machines, "GetInstanceConsoleOutput", instance_id="i-windows")
    assert code == "NotSupported"


@pytest.mark.parametrize(
    ("instance_id", "action", "status"),
    [
        ("i-03", "StopInstance", "Stopping"),
        ("i-03", "RebootInstance", "Stopping"),
        ("i-stopped", "StartInstance", "Starting"),
    ],
)
async def test_the_sdk_tries_and_does(
    machines: Simulator, instance_id: str, action: str, status: str
) -> None:
    """A dry run changes nothing, the call does, once."""
    code, _ = await called(machines, action, instance_id=instance_id, dry_run=True)
    assert code == "DryRunOperation"
    assert not machines.powered
    assert (await called(machines, action, instance_id=instance_id))[0] == "OK"
    assert machines.instance(instance_id).status == status
    again, _ = await called(machines, action, instance_id=instance_id)
    assert again == "IncorrectInstanceStatus"
    assert [(one.action, one.forced) for one in machines.powered] == [(action, False)]


async def test_the_sdk_is_refused_what_may_not_be(machines: Simulator) -> None:
    """A locked instance, a key without the permission; force is understood."""
    code, _ = await called(machines, "RebootInstance", instance_id="i-locked", dry_run=True)
    assert code == "InstanceLockedForSecurity"
    code, _ = await called(machines, "StopInstance", NOT_ALLOWED, instance_id="i-03")
    assert code == "Forbidden.RAM"
    code, _ = await called(machines, "StopInstance", instance_id="i-03", force_stop=True)
    assert code == "OK"
    assert machines.powered[-1].forced
    assert machines.instance("i-03").status == "Stopped"
