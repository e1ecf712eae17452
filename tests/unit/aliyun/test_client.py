"""Calls to the API against a server that misbehaves as configured."""

from __future__ import annotations

import base64
import json
import logging
import time
import traceback
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from tests.authority import Authority
from tests.hops import leading_proxy
from tests.unit.aliyun.conftest import Cloud, Reply, serve, signature_is_right
from vncproxy.aliyun import client as client_module
from vncproxy.aliyun.client import EcsClient
from vncproxy.aliyun.credentials import Credentials, StaticCredentials
from vncproxy.aliyun.power import PowerAction
from vncproxy.aliyun.proxies import EnvironmentProxies
from vncproxy.aliyun.tls import client_context
from vncproxy.aliyun.vncurl import VncUrl
from vncproxy.errors import CloudError, CloudErrorKind

pytestmark = pytest.mark.sockets

REGION = "cn-hangzhou"
INSTANCE = "i-bp1hzoinajzkh91h"
KEY_ID, SECRET, TOKEN = "planted-key-id-1", "planted-secret-2", "planted-token-3"
VNC_TOKEN = "plantedvnc4"
VNC_URL = f"wss%3A%2F%2Fvnc.example.com%2Fwebsockify%2F%3Fs%3D{VNC_TOKEN}%252FIA"
GOOD = Reply({"RequestId": "R", "VncUrl": VNC_URL})

MakeClient = Callable[..., EcsClient]


class Renewed(StaticCredentials):
    """Temporary keys that a refresh replaces."""

    def __init__(self) -> None:
        """Start with keys that will be refused."""
        super().__init__(Credentials(KEY_ID, SECRET, TOKEN, "test"))
        self.refused: list[Credentials | None] = []

    async def refresh(self, stale: Credentials | None = None) -> Credentials:
        """The next keys."""
        self.refused.append(stale)
        return Credentials(f"{KEY_ID}-new", f"{SECRET}-new", f"{TOKEN}-new", "test")


@pytest.fixture
def make_client(cloud: Cloud, session: aiohttp.ClientSession) -> MakeClient:
    """A client of the test's cloud."""

    def make(**options: Any) -> EcsClient:
        settings: dict[str, Any] = {
            "endpoint": cloud.origin,
            "call_timeout_s": 10.0,
            "ssl_context": client_context(None),
            "proxies": EnvironmentProxies({}),
        }
        source = options.pop(
            "credentials", StaticCredentials(Credentials(KEY_ID, SECRET, None, ""))
        )
        return EcsClient(session, source, **{**settings, **options})

    return make


def _refusal(code: str, status: int = 400, **headers: str) -> Reply:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply({"Code": code, "Message": "m", "RequestId": "R-1"}, status, names)


def _dated(unix_s: float) -> str:
    return formatdate(unix_s, usegmt=True)


async def test_a_vnc_url_is_asked_for_and_decoded(cloud: Cloud, make_client: MakeClient) -> None:
    """One signed POST with the documented parameters; its age counts from before the asking."""
    cloud.replies = [GOOD]
    before = time.monotonic()
    url = await make_client().vnc_url(INSTANCE, REGION)
    assert before <= url.asked_at <= time.monotonic()
    assert url.reveal().endswith(f"?s={VNC_TOKEN}%2FIA")
    (request,) = cloud.requests
    assert request.method == "POST"
    assert request.query == {"RegionId": REGION, "InstanceId": INSTANCE}
    assert request.headers["x-acs-action"] == "DescribeInstanceVncUrl"
    assert request.headers["x-acs-version"] == "2014-05-26"
    assert signature_is_right(request, SECRET)


async def test_calls_are_reported(cloud: Cloud, make_client: MakeClient) -> None:
    """The hook and the log get action, code and duration of each exchange."""
    cloud.replies = [_refusal("Throttling.User"), GOOD]
    calls: list[tuple[str, str, float]] = []
    client = make_client(on_call=lambda *call: calls.append(call))
    with capture_logs() as logs:
        with pytest.raises(CloudError):
            await client.vnc_url(INSTANCE, REGION)
        await client.vnc_url(INSTANCE, REGION)
    assert [call[:2] for call in calls] == [
        ("DescribeInstanceVncUrl", "Throttling.User"),
        ("DescribeInstanceVncUrl", "OK"),
    ]
    assert all(call[2] >= 0 for call in calls)
    assert [(log["event"], log["code"], log["request_id"], log["region"]) for log in logs] == [
        (client_module.EVENT_CALL, "Throttling.User", "R-1", REGION),
        (client_module.EVENT_CALL, "OK", "", REGION),
    ]


@pytest.mark.parametrize(
    ("reply", "kind", "code"),
    [
        (_refusal("Forbidden.RAM", 403), CloudErrorKind.PERMANENT, "Forbidden.RAM"),
        (_refusal("IncorrectInstanceStatus", 403), CloudErrorKind.WAITS, "IncorrectInstanceStatus"),
        (_refusal("Throttling"), CloudErrorKind.TRANSIENT, "Throttling"),
        (_refusal("InternalError", 500), CloudErrorKind.TRANSIENT, "InternalError"),
        (Reply("<html>bad gateway</html>", 502), CloudErrorKind.TRANSIENT, ""),
        (Reply("<html>log in</html>", 200), CloudErrorKind.TRANSIENT, ""),
        (Reply('{"VncUrl": "wss', 200), CloudErrorKind.TRANSIENT, ""),
        (Reply({"RequestId": "R"}), CloudErrorKind.TRANSIENT, ""),
        (Reply({"VncUrl": {"a": 1}}), CloudErrorKind.TRANSIENT, ""),
        (Reply({"VncUrl": "https%3A%2F%2Fa%2F"}), CloudErrorKind.TRANSIENT, ""),
        (Reply({}, 302, {"Location": "/x"}), CloudErrorKind.TRANSIENT, ""),
        (Reply(b"[" + b" " * 1024 * 1024), CloudErrorKind.TRANSIENT, ""),
    ],
)
async def test_what_is_not_mended_is_raised_after_one_try(
    cloud: Cloud, make_client: MakeClient, reply: Reply, kind: CloudErrorKind, code: str
) -> None:
    """The error has its kind and code; the pause and the retry are the caller's."""
    cloud.replies = [reply]
    with pytest.raises(CloudError) as caught:
        await make_client().vnc_url(INSTANCE, REGION)
    assert (caught.value.kind, caught.value.code) == (kind, code)
    assert len(cloud.requests) == 1


async def test_a_wait_that_the_cloud_asks_for_is_passed_on(
    cloud: Cloud, make_client: MakeClient
) -> None:
    """x-acs-retry-after reaches the caller in seconds."""
    cloud.replies = [_refusal("Throttling", x_acs_retry_after="2500")]
    with pytest.raises(CloudError) as caught:
        await make_client().vnc_url(INSTANCE, REGION)
    assert caught.value.retry_after_s == 2.5


async def test_a_hanging_call_times_out(cloud: Cloud, make_client: MakeClient) -> None:
    """It is transient, and reported as a time-out."""
    cloud.replies = [Reply(hang=True)]
    calls: list[str] = []
    client = make_client(call_timeout_s=0.05, on_call=lambda _, code, __: calls.append(code))
    with pytest.raises(CloudError) as caught:
        await client.vnc_url(INSTANCE, REGION)
    assert caught.value.kind is CloudErrorKind.TRANSIENT
    assert calls == ["timeout"]


async def test_refused_sts_keys_are_renewed_once(cloud: Cloud, make_client: MakeClient) -> None:
    """The second try is signed with the new keys."""
    cloud.replies = [_refusal("InvalidSecurityToken.Expired"), GOOD]
    source = Renewed()
    await make_client(credentials=source).vnc_url(INSTANCE, REGION)
    first, second = cloud.requests
    assert first.headers["x-acs-security-token"] == TOKEN
    assert second.headers["x-acs-security-token"] == f"{TOKEN}-new"
    assert signature_is_right(first, SECRET)
    assert signature_is_right(second, f"{SECRET}-new")
    assert source.refused == [await source.get()]


async def test_sts_keys_refused_again_are_an_error(cloud: Cloud, make_client: MakeClient) -> None:
    """There is one retry, not more."""
    cloud.replies = [_refusal("InvalidSecurityToken.Malformed")]
    with pytest.raises(CloudError) as caught:
        await make_client(credentials=Renewed()).vnc_url(INSTANCE, REGION)
    assert caught.value.kind is CloudErrorKind.CREDENTIALS
    assert len(cloud.requests) == 2


async def test_a_wrong_clock_is_corrected_by_the_clouds(
    cloud: Cloud, make_client: MakeClient
) -> None:
    """One retry by the Date header, which is then kept; the log says how far off this clock is."""
    now = 1_700_000_000.0
    cloud.replies = [_refusal("InvalidTimeStamp.Expired", date=_dated(now + 3600)), GOOD, GOOD]
    client = make_client(wall_clock=lambda: now)
    with capture_logs() as logs:
        await client.vnc_url(INSTANCE, REGION)
        await client.vnc_url(INSTANCE, REGION)
    assert [request.headers["x-acs-date"] for request in cloud.requests] == [
        "2023-11-14T22:13:20Z",
        "2023-11-14T23:13:20Z",
        "2023-11-14T23:13:20Z",
    ]
    (clock,) = [log for log in logs if log["event"] == client_module.EVENT_CLOCK]
    assert clock["cloud_ahead_s"] == 3600.0


async def test_a_clock_that_cannot_be_corrected_is_an_error(
    cloud: Cloud, make_client: MakeClient
) -> None:
    """Refused again, or without a proper Date header: raised, with how far off it is."""
    now = 1_700_000_000.0
    client = make_client(wall_clock=lambda: now)
    cloud.replies = [_refusal("InvalidTimeStamp.Expired", date=_dated(now - 60))]
    with pytest.raises(CloudError) as caught:
        await client.vnc_url(INSTANCE, REGION)
    assert caught.value.kind is CloudErrorKind.CLOCK
    assert caught.value.clock_offset_s == -60.0
    assert len(cloud.requests) == 2
    cloud.replies = [_refusal("InvalidTimeStamp.Expired", date="never")]
    with pytest.raises(CloudError) as caught:
        await client.vnc_url(INSTANCE, REGION)
    assert caught.value.clock_offset_s is None
    assert len(cloud.requests) == 3


async def test_a_used_nonce_is_replaced_at_once(cloud: Cloud, make_client: MakeClient) -> None:
    """One retry with another nonce; then it is transient."""
    cloud.replies = [_refusal("SignatureNonceUsed"), GOOD]
    await make_client().vnc_url(INSTANCE, REGION)
    nonces = [request.headers["x-acs-signature-nonce"] for request in cloud.requests]
    assert len(set(nonces)) == 2
    cloud.replies = [_refusal("SignatureNonceUsed")]
    with pytest.raises(CloudError) as caught:
        await make_client().vnc_url(INSTANCE, REGION)
    assert caught.value.kind is CloudErrorKind.TRANSIENT
    assert len(cloud.requests) == 4


async def test_each_mending_has_its_own_try(cloud: Cloud, make_client: MakeClient) -> None:
    """A call that needs all three is still made, and never with more than four exchanges."""
    now = 1_700_000_000.0
    bad = [
        _refusal("InvalidTimeStamp.Expired", date=_dated(now + 900)),
        _refusal("InvalidSecurityToken.Expired"),
        _refusal("SignatureNonceUsed"),
    ]
    client = make_client(credentials=Renewed(), wall_clock=lambda: now)
    cloud.replies = [*bad, GOOD]
    await client.vnc_url(INSTANCE, REGION)
    assert len(cloud.requests) == 4


@pytest.mark.parametrize(
    ("instance_id", "region"), [("i-1&Action=x", REGION), (INSTANCE, "evil.com/"), ("", REGION)]
)
async def test_improper_ids_are_never_sent(
    cloud: Cloud, make_client: MakeClient, instance_id: str, region: str
) -> None:
    """They are refused before any request."""
    with pytest.raises(CloudError) as caught:
        await make_client().vnc_url(instance_id, region)
    assert caught.value.kind is CloudErrorKind.PERMANENT
    assert cloud.requests == []


def _page(numbers: range, token: str = "") -> Reply:
    rows = [{"InstanceId": f"i-{number:04}", "OSType": "linux"} for number in numbers]
    return Reply({"Instances": {"Instance": rows}, "NextToken": token, "RequestId": "R"})


async def test_all_pages_are_listed(cloud: Cloud, make_client: MakeClient) -> None:
    """NextToken is followed until there is none."""
    cloud.replies = [_page(range(100), "t1"), _page(range(100, 200), "t2"), _page(range(200, 205))]
    found = await make_client().instances(REGION)
    assert [one.id for one in found] == [f"i-{number:04}" for number in range(205)]
    assert {one.region for one in found} == {REGION}
    assert [request.query.get("NextToken") for request in cloud.requests] == [None, "t1", "t2"]
    assert {request.query["MaxResults"] for request in cloud.requests} == {"100"}
    assert all(signature_is_right(request, SECRET) for request in cloud.requests)


async def test_ids_are_asked_for_by_the_hundred(cloud: Cloud, make_client: MakeClient) -> None:
    """InstanceIds is a JSON array of at most 100; doubles are asked for once."""
    ids = [f"i-{number:04}" for number in range(150)]
    cloud.replies = [_page(range(100)), _page(range(100, 150))]
    found = await make_client().instances(REGION, [*ids, *ids])
    assert [one.id for one in found] == ids
    asked = [json.loads(request.query["InstanceIds"]) for request in cloud.requests]
    assert asked == [ids[:100], ids[100:]]


async def test_no_ids_are_no_call(cloud: Cloud, make_client: MakeClient) -> None:
    """An empty list of ids must not list everything."""
    assert await make_client().instances(REGION, []) == []
    assert cloud.requests == []


@pytest.mark.parametrize("holder", [None, [], {"Instance": {}}, {}])
async def test_a_list_of_another_form_is_transient(
    cloud: Cloud, make_client: MakeClient, holder: object
) -> None:
    """It must not look like an account without instances."""
    cloud.replies = [Reply({"Instances": holder})]
    with pytest.raises(CloudError) as caught:
        await make_client().instances(REGION)
    assert caught.value.kind is CloudErrorKind.TRANSIENT


async def test_a_list_without_an_end_is_given_up(
    cloud: Cloud, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token that comes again, or too many pages, is an error and not a loop."""
    cloud.replies = [_page(range(1), "same")]
    with pytest.raises(CloudError):
        await make_client().instances(REGION)
    assert len(cloud.requests) == 2
    monkeypatch.setattr(client_module, "MAX_PAGES", 3)
    cloud.replies = [_page(range(1), f"t{number}") for number in range(9)]
    with pytest.raises(CloudError):
        await make_client().instances(REGION)
    assert len(cloud.requests) == 5


@pytest.mark.parametrize(
    ("reply", "granted"),
    [
        (_refusal("DryRunOperation"), True),
        (GOOD, True),
        (_refusal("IncorrectInstanceStatus", 403), True),
        (_refusal("Forbidden.RAM", 403), False),
    ],
)
async def test_the_permission_to_open_is_found_out(
    cloud: Cloud, make_client: MakeClient, reply: Reply, granted: bool
) -> None:
    """Whether the cloud knows DryRun or not, and whatever state the instance is in."""
    cloud.replies = [reply]
    permission = await make_client().may_open(INSTANCE, REGION)
    assert permission.granted == granted
    assert permission.action == "DescribeInstanceVncUrl"
    assert "ecs:DescribeInstanceVncUrl" in permission.text
    assert cloud.requests[0].query["DryRun"] == "true"
    assert VNC_TOKEN not in repr(permission)


async def test_a_permission_that_is_not_found_out(cloud: Cloud, make_client: MakeClient) -> None:
    """What says nothing about the permission is raised."""
    cloud.replies = [_refusal("Throttling")]
    with pytest.raises(CloudError, match="limits"):
        await make_client().may_open(INSTANCE, REGION)


async def test_the_clock_is_compared(cloud: Cloud, make_client: MakeClient) -> None:
    """The offset comes from the Date header of an unsigned request, whatever its status."""
    now = 1_700_000_000.0
    client = make_client(wall_clock=lambda: now)
    cloud.replies = [Reply("<html>", 400, {"Date": _dated(now - 120)})]
    assert await client.server_time_offset(REGION) == pytest.approx(-120, abs=1)
    assert "authorization" not in cloud.requests[0].headers
    cloud.replies = [Reply({}, 200, {"Date": "never"})]
    with pytest.raises(CloudError):
        await client.server_time_offset(REGION)
    cloud.replies = [Reply(drop=True)]
    with pytest.raises(CloudError):
        await client.server_time_offset(REGION)


async def test_an_improper_endpoint_is_refused(make_client: MakeClient) -> None:
    """Plain http:// beyond loopback would show the keys' signatures to the network."""
    with pytest.raises(ValueError, match="loopback"):
        make_client(endpoint="http://ecs.example.com")


async def test_a_region_has_its_own_endpoint(make_client: MakeClient) -> None:
    """Without a configured endpoint the region's is dialled, through the environment's proxy."""
    proxies = EnvironmentProxies({"HTTPS_PROXY": "http://127.0.0.1:1"})
    calls: list[str] = []
    client = make_client(
        endpoint=None, proxies=proxies, on_call=lambda _, code, __: calls.append(code)
    )
    with pytest.raises(CloudError, match="proxy"):
        await client.vnc_url(INSTANCE, REGION)
    assert calls == ["proxy"]


async def test_nothing_leaks(
    cloud: Cloud,
    make_client: MakeClient,
    session: aiohttp.ClientSession,
    authority: Authority,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Neither keys nor VncUrls are in any log, error, cause or traceback, whatever goes wrong."""
    caplog.set_level(logging.DEBUG)
    echo = f"{KEY_ID} {SECRET} {TOKEN} {VNC_URL}"
    secure = Cloud()
    runner = await serve(secure, authority.issue("localhost").server_context())
    scenes: list[tuple[Reply, dict[str, Any]]] = [
        (_refusal(echo, 400), {}),
        (Reply({"Code": "Forbidden.RAM", "Message": echo, "RequestId": echo}, 403), {}),
        (Reply(echo, 500, {"X-Echo": echo}), {}),
        (Reply({"VncUrl": f"https%3A%2F%2F{VNC_TOKEN}"}), {}),
        (Reply({"VncUrl": f"{VNC_URL}%FF"}), {}),
        (Reply(drop=True), {}),
        (_refusal("InvalidSecurityToken.Expired"), {}),
        (_refusal("InvalidTimeStamp.Expired"), {}),
        (GOOD, {"endpoint": secure.origin}),
        (GOOD, {"endpoint": "https://localhost:1"}),
        (Reply(hang=True), {"call_timeout_s": 0.05}),
    ]
    output = []
    with capture_logs() as logs:
        for reply, options in scenes:
            cloud.replies = [reply]
            source = StaticCredentials(Credentials(KEY_ID, SECRET, TOKEN, "test"))
            client = make_client(credentials=source, **options)
            with pytest.raises(CloudError) as caught:
                await client.vnc_url(INSTANCE, REGION)
            error: BaseException | None = caught.value
            while error is not None:
                output += [repr(error), repr(vars(error)), *traceback.format_exception(error)]
                error = error.__cause__ or error.__context__
        cloud.replies = [GOOD]
        url = await make_client().vnc_url(INSTANCE, REGION)
        output += [repr(url), repr(source), repr(await source.get()), repr(client)]
    await runner.cleanup()
    printed = "\n".join([*output, repr(logs), caplog.text])
    for planted in (KEY_ID, SECRET, TOKEN, VNC_TOKEN, "vnc.example.com"):
        assert planted not in printed
    assert len(logs) >= len(scenes)


async def test_a_date_that_no_clock_shows(cloud: Cloud, make_client: MakeClient) -> None:
    """A typed error, not a fault of the daemon."""
    date = {"Date": "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"}
    cloud.replies = [Reply({"Code": "InvalidTimeStamp.Expired", "RequestId": "R"}, 400, date)]
    with pytest.raises(CloudError) as caught:
        await make_client().vnc_url(INSTANCE, REGION)
    assert caught.value.kind is CloudErrorKind.CLOCK
    with pytest.raises(CloudError):
        await make_client().server_time_offset(REGION)


ENDPOINT = "ecs.example.test"


async def asked_elsewhere(
    session: aiohttp.ClientSession, folder: Path, host: str, gateway_hosts: tuple[str, ...] = ()
) -> VncUrl:
    """The VncUrl of an API that isn't on this machine, and names this host."""
    authority = Authority(folder)
    cloud = Cloud()
    cloud.replies = [Reply({"RequestId": "R", "VncUrl": f"wss://{host}/?s={VNC_TOKEN}"})]
    runner = await serve(cloud, authority.issue(ENDPOINT).server_context())
    try:
        async with leading_proxy(int(cloud.origin.rsplit(":", 1)[1])) as proxy:
            client = EcsClient(
                session,
                StaticCredentials(Credentials(KEY_ID, SECRET, None, "")),
                endpoint=f"https://{ENDPOINT}",
                call_timeout_s=10.0,
                ssl_context=client_context(authority.ca_file),
                proxies=EnvironmentProxies({"HTTPS_PROXY": proxy.url}),
                gateway_hosts=gateway_hosts,
            )
            return await client.vnc_url(INSTANCE, REGION)
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "2130706433", "0x7f.1", "[::ffff:169.254.169.254]", "100.100.100.200.", "[::1]"],
)
async def test_a_vnc_url_to_this_machine(
    session: aiohttp.ClientSession, tmp_path: Path, host: str
) -> None:
    """Refused in words and for good: what answered isn't the cloud."""
    with pytest.raises(CloudError) as caught:
        await asked_elsewhere(session, tmp_path, host)
    assert (caught.value.kind, caught.value.code) == (CloudErrorKind.PERMANENT, "GatewayRefused")
    assert "it isn't dialled" in caught.value.public_text
    assert VNC_TOKEN not in caught.value.public_text


async def test_a_vnc_url_of_a_host_that_is_not_listed(
    session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    """Where gateway_hosts lists any; the host is named, so that it can be listed."""
    host = "hz01-vncproxy.aliyun.com"
    assert (await asked_elsewhere(session, tmp_path, host)).host == host
    assert (await asked_elsewhere(session, tmp_path, host, ("aliyun.com",))).host == host
    with pytest.raises(CloudError) as caught:
        await asked_elsewhere(session, tmp_path, host, ("example.com", "liyun.com"))
    assert (caught.value.kind, caught.value.code) == (CloudErrorKind.PERMANENT, "GatewayRefused")
    assert host in caught.value.public_text
    assert "gateway_hosts" in caught.value.public_text
    with pytest.raises(CloudError, match="this machine"):
        await asked_elsewhere(session, tmp_path, "127.0.0.1", ("127.0.0.1",))


PNG = b"\x89PNG\r\n\x1a\n"
PICTURE = Reply({"InstanceId": INSTANCE, "Screenshot": base64.b64encode(PNG).decode()})
DRY = _refusal("DryRunOperation")


@pytest.mark.parametrize("wake", [False, True])
async def test_a_picture_is_asked_for_as_the_api_documents_it(
    cloud: Cloud, make_client: MakeClient, wake: bool
) -> None:
    """Signed like every call."""
    cloud.replies = [PICTURE]
    picture = await make_client().screenshot(INSTANCE, REGION, wake=wake)
    assert (picture.content, picture.content_type) == (PNG, "image/png")
    (request,) = cloud.requests
    assert request.headers["x-acs-action"] == "GetInstanceScreenshot"
    assert request.query == {
        "InstanceId": INSTANCE,
        "RegionId": REGION,
        "WakeUp": "true" if wake else "false",
    }
    assert signature_is_right(request, SECRET)


async def test_a_boot_log_is_text(cloud: Cloud, make_client: MakeClient) -> None:
    """Without what moves a cursor."""
    output = base64.b64encode(b"\x1b[1mhello\x1b[0m").decode()
    cloud.replies = [Reply({"ConsoleOutput": output, "LastUpdateTime": "2026-11-30 10:04:57"})]
    log = await make_client().boot_log(INSTANCE, REGION)
    assert log.text == "hello"
    assert log.updated_at is not None


@pytest.mark.parametrize(
    "reply",
    [
        Reply({"Screenshot": "***"}),
        Reply({"Screenshot": base64.b64encode(b"GIF89a").decode()}),
        Reply("<html>Bad Gateway</html>", 502),
        Reply({"Screenshot": "x" * (17 * 1024 * 1024 // 3 * 4)}),
        Reply({}),
    ],
)
async def test_what_is_no_picture_is_a_transient_error(
    cloud: Cloud, make_client: MakeClient, reply: Reply
) -> None:
    """As every answer that isn't the API's."""
    cloud.replies = [reply]
    with pytest.raises(CloudError) as caught:
        await make_client().screenshot(INSTANCE, REGION)
    assert caught.value.kind is CloudErrorKind.TRANSIENT


@pytest.mark.parametrize(
    ("action", "force", "name"),
    [
        (PowerAction.START, False, "StartInstance"),
        (PowerAction.STOP, True, "StopInstance"),
        (PowerAction.RESTART, False, "RebootInstance"),
    ],
)
async def test_power_is_one_call(
    cloud: Cloud, make_client: MakeClient, action: PowerAction, force: bool, name: str
) -> None:
    """Forced only where that is asked for."""
    cloud.replies = [Reply({"RequestId": "R"})]
    await make_client().power(action, INSTANCE, REGION, force=force)
    (request,) = cloud.requests
    assert request.headers["x-acs-action"] == name
    forced = {"ForceStop": "true"} if force else {}
    assert request.query == {"InstanceId": INSTANCE, "RegionId": REGION, **forced}


@pytest.mark.parametrize(
    "reply",
    [
        _refusal("SignatureNonceUsed"),
        _refusal("InternalError", 500),
        Reply("<html>Bad Gateway</html>", 502),
        Reply(drop=True),
    ],
)
async def test_power_is_never_sent_twice(
    cloud: Cloud, make_client: MakeClient, reply: Reply
) -> None:
    """Not even for a nonce: what repeated the call may have repeated one that was carried out."""
    cloud.replies = [reply, Reply({"RequestId": "R"})]
    with pytest.raises(CloudError):
        await make_client().power(PowerAction.RESTART, INSTANCE, REGION)
    assert len(cloud.requests) == 1


async def test_power_is_sent_again_where_it_was_refused_unread(
    cloud: Cloud, make_client: MakeClient
) -> None:
    """As for keys that had to be renewed."""
    cloud.replies = [_refusal("InvalidSecurityToken.Expired"), Reply({"RequestId": "R"})]
    await make_client(credentials=Renewed()).power(PowerAction.STOP, INSTANCE, REGION)
    assert len(cloud.requests) == 2


@pytest.mark.parametrize(
    ("reply", "granted"),
    [
        (DRY, True),
        (_refusal("IncorrectInstanceStatus", 403), True),
        (_refusal("Forbidden.RAM", 403), False),
        (_refusal("InstanceLockedForSecurity", 403), False),
    ],
)
async def test_a_dry_run_tells_whether_power_is_permitted(
    cloud: Cloud, make_client: MakeClient, reply: Reply, granted: bool
) -> None:
    """Nothing is done."""
    cloud.replies = [reply]
    permission = await make_client().may_power(PowerAction.STOP, INSTANCE, REGION)
    assert (permission.action, permission.granted) == ("StopInstance", granted)
    assert cloud.requests[0].query["DryRun"] == "true"


@pytest.mark.parametrize("reply", [Reply({"RequestId": "R"}), _refusal("Throttling"), Reply("x")])
async def test_a_dry_run_may_leave_the_question_open(
    cloud: Cloud, make_client: MakeClient, reply: Reply
) -> None:
    """That it was carried out instead is no permission."""
    cloud.replies = [reply]
    with pytest.raises(CloudError):
        await make_client().may_power(PowerAction.STOP, INSTANCE, REGION)


async def test_looking_is_tried_to_learn_whether_it_is_permitted(
    cloud: Cloud, make_client: MakeClient
) -> None:
    """What is refused for the instance's sake is permitted all the same."""
    cloud.replies = [_refusal("Throttling"), _refusal("NotSupported", 405)]
    found = await make_client().may_look(INSTANCE, REGION)
    assert [one.granted for one in found] == [True, True]
    cloud.replies = [_refusal("Forbidden.RAM", 403), _refusal("Forbidden.RAM", 403)]
    found = await make_client().may_look(INSTANCE, REGION)
    assert [(one.action, one.granted) for one in found] == [
        ("GetInstanceScreenshot", False),
        ("GetInstanceConsoleOutput", False),
    ]
    cloud.replies = [Reply("<html>", 502)]
    with pytest.raises(CloudError):
        await make_client().may_look(INSTANCE, REGION)


@pytest.mark.parametrize(
    ("action", "code", "words"),
    [
        ("screenshot", "IncorrectInstanceStatus", "isn't running"),
        ("screenshot", "NotSupported", "no pictures"),
        ("screenshot", "Throttling", "every 10 s"),
        ("boot_log", "NotSupported", "Windows"),
        ("screenshot", "Forbidden.RAM", "ecs:GetInstanceScreenshot"),
    ],
)
async def test_refusals_say_what_they_are_about(
    cloud: Cloud, make_client: MakeClient, action: str, code: str, words: str
) -> None:
    """The same code means something else for another call."""
    cloud.replies = [_refusal(code, 403)]
    with pytest.raises(CloudError, match=words):
        await getattr(make_client(), action)(INSTANCE, REGION)
