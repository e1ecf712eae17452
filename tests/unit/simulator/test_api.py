"""The API over HTTP, called by a signer of the SDK."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote, urlencode

import aiohttp
import pytest
from alibabacloud_tea_openapi.utils import Utils

from tests.clock import FakeClock
from tests.unit.simulator.conftest import StartCloud
from tests.unit.simulator.viewer import dialled, status_of
from vncproxy.simulator import AccessKey, ApiFault, Simulator
from vncproxy.simulator.settings import DEMO_KEY_ID, DEMO_KEY_SECRET

pytestmark = pytest.mark.sockets

VNC = {"RegionId": "cn-hangzhou", "InstanceId": "i-one"}
EMPTY = hashlib.sha256(b"").hexdigest()


async def call(
    cloud: Simulator,
    action: str = "DescribeInstanceVncUrl",
    parameters: dict[str, str] | None = None,
    *,
    shift_s: float = 0.0,
    version: str = "2014-05-26",
    timeout_s: float = 5.0,
) -> tuple[int, dict[str, Any] | str, Mapping[str, str]]:
    """Status, answer (text where it isn't JSON), headers."""
    query = VNC if parameters is None else parameters
    date = datetime.fromtimestamp(time.time() + shift_s, UTC)
    headers = {
        "host": f"127.0.0.1:{cloud.port}",
        "x-acs-action": action,
        "x-acs-content-sha256": EMPTY,
        "x-acs-date": date.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "x-acs-signature-nonce": Utils.get_nonce(),
        "x-acs-version": version,
    }
    request: Any = SimpleNamespace(method="POST", pathname="/", query=query, headers=headers)
    headers["Authorization"] = Utils.get_authorization(
        request, "ACS3-HMAC-SHA256", EMPTY, DEMO_KEY_ID, DEMO_KEY_SECRET
    )
    limit = aiohttp.ClientTimeout(timeout_s)
    url = f"{cloud.endpoint}/?{urlencode(query)}"
    async with (
        aiohttp.ClientSession(timeout=limit) as session,
        session.post(url, headers=headers) as answer,
    ):
        is_json = answer.content_type == "application/json"
        return (
            answer.status,
            await answer.json() if is_json else await answer.text(),
            answer.headers.copy(),
        )


async def code_of(cloud: Simulator, *args: Any, **kwargs: Any) -> str:
    """The answer's error code, or OK."""
    _, answer, _ = await call(cloud, *args, **kwargs)
    assert isinstance(answer, dict)
    return str(answer.get("Code", "OK"))


async def test_a_vnc_url_is_answered_and_works(cloud: Simulator) -> None:
    """Percent-encoded once over an encoded value."""
    status, answer, _ = await call(cloud)
    assert status == 200
    assert isinstance(answer, dict)
    assert set(answer) == {"RequestId", "VncUrl"}
    assert answer["VncUrl"].startswith("ws%3A%2F%2F127.0.0.1%3A")
    assert "%252F" in answer["VncUrl"]
    assert "%252B" in answer["VncUrl"]
    assert await status_of(unquote(answer["VncUrl"])) == 101
    assert cloud.breaches == {}
    assert [(c.action, c.outcome) for c in cloud.calls] == [("DescribeInstanceVncUrl", "OK")]


async def test_instances_are_listed(cloud: Simulator) -> None:
    """And a dry run says that it would."""
    _, answer, _ = await call(cloud, "DescribeInstances", {"RegionId": "cn-hangzhou"})
    assert isinstance(answer, dict)
    assert answer["TotalCount"] == 2
    dry = {"RegionId": "cn-hangzhou", "DryRun": "true"}
    assert await code_of(cloud, "DescribeInstances", dry) == "DryRunOperation"


async def test_an_error_has_the_apis_form(cloud: Simulator) -> None:
    """RequestId, Code, Message, HostId, Recommend."""
    status, answer, headers = await call(cloud, parameters=VNC | {"InstanceId": "i-none"})
    assert status == 404
    assert isinstance(answer, dict)
    assert set(answer) == {"RequestId", "Code", "Message", "HostId", "Recommend"}
    assert answer["Code"] == "InvalidInstanceId.NotFound"
    assert headers["x-acs-request-id"] == answer["RequestId"]


async def test_status_changes_are_seen(cloud: Simulator) -> None:
    """A stopped instance has no VncUrl."""
    cloud.set_status("Stopped", "i-one")
    assert await code_of(cloud) == "IncorrectInstanceStatus"
    cloud.set_status("Running", "i-one")
    assert await code_of(cloud) == "OK"


@pytest.mark.parametrize(
    ("action", "version", "code"),
    [
        ("DeleteInstance", "2014-05-26", "InvalidAction.NotFound"),
        ("DescribeInstances", "2020-01-01", "InvalidParameter"),
    ],
)
async def test_only_the_known_api_answers(
    cloud: Simulator, action: str, version: str, code: str
) -> None:
    """Other actions and versions are errors."""
    assert await code_of(cloud, action, version=version) == code


async def test_the_clouds_clock_may_be_off(start_cloud: StartCloud) -> None:
    """A refused call shows the cloud's time in its Date header, with which it would have worked."""
    cloud = await start_cloud(clock_offset_s=3600.0)
    status, answer, headers = await call(cloud)
    assert status == 400
    assert isinstance(answer, dict)
    assert answer["Code"] == "InvalidTimeStamp.Expired"
    date_s = parsedate_to_datetime(headers["Date"]).timestamp()
    assert 3500 < date_s - time.time() < 3700
    assert await code_of(cloud, shift_s=date_s - time.time()) == "OK"


async def test_a_key_may_lack_permissions(start_cloud: StartCloud) -> None:
    """Then the code is Forbidden.RAM."""
    key = AccessKey(denied_actions=frozenset({"DescribeInstances"}))
    cloud = await start_cloud(keys=(key,))
    assert await code_of(cloud, "DescribeInstances") == "Forbidden.RAM"
    assert await code_of(cloud) == "OK"


async def test_calls_are_throttled_as_configured(start_cloud: StartCloud) -> None:
    """More than so many in a minute are refused."""
    clock = FakeClock(0.0)
    cloud = await start_cloud(clock=clock, calls_per_minute=2)
    codes = [await code_of(cloud) for _ in range(3)]
    clock.seconds = 60.0
    codes.append(await code_of(cloud))
    assert codes == ["OK", "OK", "Throttling.User", "OK"]


@pytest.mark.parametrize(
    ("code", "status"), [("Throttling", 400), ("InternalError", 500), ("ServiceUnavailable", 503)]
)
async def test_any_error_comes_on_request(cloud: Simulator, code: str, status: int) -> None:
    """Once, with its usual status."""
    cloud.faults.next("DescribeInstanceVncUrl", ApiFault.error(code))
    got, answer, _ = await call(cloud)
    assert isinstance(answer, dict)
    assert (got, answer["Code"]) == (status, code)
    assert await code_of(cloud) == "OK"


async def test_throttling_may_say_how_long(cloud: Simulator) -> None:
    """In milliseconds, as the official SDK reads it."""
    cloud.faults.next("*", ApiFault.throttle(2.5))
    status, answer, headers = await call(cloud)
    assert isinstance(answer, dict)
    assert (status, answer["Code"]) == (400, "Throttling.User")
    assert headers["x-acs-retry-after"] == "2500"


async def test_an_answer_may_be_html_or_empty(cloud: Simulator) -> None:
    """As from a proxy in between."""
    cloud.faults.next("*", ApiFault.html())
    cloud.faults.next("*", ApiFault.http_500())
    status, text, _ = await call(cloud)
    assert status == 502
    assert isinstance(text, str)
    assert text.startswith("<html>")
    status, text, _ = await call(cloud)
    assert (status, text) == (500, "")


async def test_an_answer_may_never_come(cloud: Simulator) -> None:
    """A hang lasts longer than the caller's patience; a reset is at once."""
    cloud.faults.next("*", ApiFault.hang())
    cloud.faults.next("*", ApiFault.reset())
    with pytest.raises(TimeoutError):
        await call(cloud, timeout_s=0.3)
    with pytest.raises(aiohttp.ClientError):
        await call(cloud)


async def test_a_slow_answer_is_right_in_the_end(cloud: Simulator) -> None:
    """It takes at least the delay."""
    cloud.faults.next("*", ApiFault.slow(0.2))
    started_s = time.monotonic()
    assert await code_of(cloud) == "OK"
    assert time.monotonic() - started_s > 0.15


async def test_the_date_may_be_wrong(cloud: Simulator) -> None:
    """While the answer is right."""
    cloud.faults.next("*", ApiFault.wrong_date(-7200))
    status, _, headers = await call(cloud)
    assert status == 200
    assert time.time() - parsedate_to_datetime(headers["Date"]).timestamp() > 7000


async def test_a_stop_ends_the_session_and_clears_the_screen(cloud: Simulator) -> None:
    """What stood on it is gone at the next start."""

    def shown() -> bytes:
        # Below the clock.
        return cloud.framebuffer("i-one")[3 * 1024 * 100 :]

    fresh = shown()
    async with dialled(cloud, "i-one") as viewer:
        await viewer.enter()
        await viewer.key(ord("x"))
        async with asyncio.timeout(60):
            while shown() == fresh:
                await asyncio.sleep(0)
        stop = {"InstanceId": "i-one", "ForceStop": "true"}
        assert await code_of(cloud, "StopInstance", stop) == "OK"
        await viewer.ended()
    assert shown() == fresh
    assert await code_of(cloud) == "IncorrectInstanceStatus"
    assert await code_of(cloud, "StartInstance", {"InstanceId": "i-one"}) == "OK"
    assert await code_of(cloud) == "InstanceNotReady"
