"""No secret comes out: a run of faults with planted secrets, and a search of all that was sent."""

from __future__ import annotations

import asyncio
import io
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from itertools import product
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import msgspec
import pytest
import structlog

from tests.fault.outputs import REFLECTIONS, Outputs, watched_outputs
from tests.fault.owner import OTHER_PASSWORD, WRONG_PASSWORD, Owner
from tests.fault.secret_search import Planted, forms, texts_of
from tests.fault.untrusted_proxy import Manner, untrusted_proxy
from tests.setup import running
from tests.unit.console.fakes import VERSION
from vncproxy.config.model import Access, Aliyun, Instance, Limits, Log
from vncproxy.errors import UpstreamLost
from vncproxy.observe.logging import configure
from vncproxy.simulator.faults import ANY, ApiFault, GatewayFault, GatewayFaultKind, Step
from vncproxy.simulator.settings import AccessKey, SimulatedInstance, SimulatorSettings

pytestmark = pytest.mark.usefixtures("idle_clock")

CALL = "DescribeInstanceVncUrl"
VNC_PASSWORD = "qW7xZ9"
API_FAULTS = [
    ApiFault.html(),
    ApiFault.http_500(),
    ApiFault.reset(),
    ApiFault.hang(),
    ApiFault.throttle(0.05),
    *map(
        ApiFault.error,
        (
            "SignatureDoesNotMatch",
            "SignatureNonceUsed",
            "InvalidTimeStamp.Expired",
            "InvalidSecurityToken.Expired",
            "InvalidAccessKeyId.NotFound",
            "Forbidden.RAM",
            "IncorrectInstanceStatus",
        ),
    ),
]
GATEWAY_FAULTS = [
    GatewayFault.refuse(403),
    GatewayFault.refuse(503),
    GatewayFault.hang(),
    *map(GatewayFault.close_at, Step),
    *map(GatewayFault.garbage_at, Step),
    GatewayFault(GatewayFaultKind.BAD_RECTANGLE),
    GatewayFault(GatewayFaultKind.UNKNOWN_MESSAGE),
    GatewayFault(GatewayFaultKind.UNKNOWN_SECURITY),
]


@pytest.fixture
def outputs(monkeypatch: pytest.MonkeyPatch) -> Outputs:
    """All that comes out during the test."""
    return watched_outputs(monkeypatch)


@asynccontextmanager
async def answering(reason: Callable[[], str]) -> AsyncIterator[str]:
    """A VNC server that refuses, and says why; gives its address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            text = reason().encode()
            writer.write(VERSION + b"\0" + len(text).to_bytes(4, "big") + text)
            await writer.drain()
            await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()


def guarded_instance(folder: Path, name: str, number: int) -> tuple[SimulatedInstance, Instance]:
    """One whose VNC password the configuration knows."""
    file = folder / f"password-{number}"
    file.write_text(VNC_PASSWORD)
    file.chmod(0o600)
    one = SimulatedInstance(f"i-guarded{number}", name, vnc_password=VNC_PASSWORD)
    return one, Instance(id=one.instance_id, alias=name, password_file=file)


@pytest.mark.parametrize("style", ["json", "console"])
async def test_nothing_tells_a_secret(
    tmp_path: Path,
    outputs: Outputs,
    style: Literal["json", "console"],
    capfd: pytest.CaptureFixture[str],
) -> None:
    """After every fault of API, gateway, viewer and page, at level debug, in both formats."""
    plant = outputs.planted.plant
    key = AccessKey(
        secret=plant("the AccessKey secret", "AkSecret" + secrets.token_urlsafe(20)),
        security_token=plant("the STS token", "Sts+/" + secrets.token_urlsafe(60) + "=="),
    )
    for name, password in (
        ("the VNC password", VNC_PASSWORD),
        ("the page's VNC password", OTHER_PASSWORD),
        ("a wrong VNC password", WRONG_PASSWORD),
    ):
        plant(name, password)
    bearer = plant("the bearer token", secrets.token_urlsafe(32))
    token_file = tmp_path / "bearer"
    token_file.write_text(bearer)
    token_file.chmod(0o600)
    known = [guarded_instance(tmp_path, f"guarded-{n}", n) for n in range(3)]
    asking = SimulatedInstance("i-asking", "asking", vnc_password=OTHER_PASSWORD)
    cloud = SimulatorSettings(
        animated=False,
        width=320,
        height=240,
        seed=3,
        keys=(key,),
        instances=(*(one for one, _ in known), asking),
    )
    configured = (*(one for _, one in known), Instance(id="i-asking", alias="asking"))
    async with running(
        tmp_path,
        cloud=cloud,
        access=Access(token_file=token_file),
        limits=Limits(linger=0.0, max_wait=0.6, url_ttl=0.3),
        instance=configured,
        log=Log(format=style, level="debug"),
    ) as setup:
        owner = Owner(setup, outputs, bearer)
        for number, fault in enumerate(API_FAULTS):
            setup.cloud.faults.next(CALL, fault, times=3)
            await owner.visit(f"guarded-{number % 2}")
            setup.cloud.faults.clear()
        for number, gateway_fault in enumerate(GATEWAY_FAULTS):
            setup.cloud.gateway_faults.next(ANY, gateway_fault)
            await owner.visit(f"guarded-{number % 3}")
            setup.cloud.gateway_faults.clear()
        for number, kind in enumerate(REFLECTIONS):
            outputs.reflections.append(kind)
            await owner.visit(f"guarded-{number % 3}")
        await owner.ask_everything()
        await owner.give_passwords()
        await owner.say_it_wrongly()
        clean = setup.daemon.redactor.clean
        assert VNC_PASSWORD not in clean(f"the guest said: {VNC_PASSWORD}")
        # What a page gave is kept for its console alone, and that is over.
        assert OTHER_PASSWORD in clean(f"the guest said: {OTHER_PASSWORD}")
    outputs.note("log", *setup.log.getvalue().splitlines(), setup.log.getvalue())
    outputs.note("standard output", *capfd.readouterr())
    folder = outputs.planted.found_in_folder(tmp_path / "state", but=frozenset())
    assert len(setup.log.getvalue().splitlines()) > 100
    assert {"the AccessKey secret", "the STS token", "the bearer token", "a ticket", "a cookie"} < (
        outputs.planted.names
    )
    assert len(outputs.errors) > 30
    assert outputs.leaks() == set()
    assert folder == set()


async def test_what_an_upstream_repeats_is_hidden(tmp_path: Path, outputs: Outputs) -> None:
    """A refusal's reason goes to the log: not so the secrets in it, by whomever it was written."""
    plant = outputs.planted.plant
    key = AccessKey(
        secret=plant("the AccessKey secret", secrets.token_urlsafe(20)),
        security_token=plant("the STS token", secrets.token_urlsafe(60)),
    )

    def reason() -> str:
        return f"said {outputs.url_token} {key.secret} or {key.security_token} before the end"

    async with answering(reason) as address:
        one = SimulatedInstance(screen=address)
        cloud = SimulatorSettings(keys=(key,), instances=(one,))
        async with running(tmp_path, cloud=cloud, limits=Limits(max_wait=0.6)) as setup:
            await Owner(setup, outputs, "").visit(one.name)
        outputs.note("log", *setup.log.getvalue().splitlines())
    assert "before the end" in setup.log.getvalue()
    assert outputs.leaks() == set()


async def test_a_proxys_password_stays_inside(tmp_path: Path, outputs: Outputs) -> None:
    """Whatever the proxy answers, to a call of the API and to a dial, and whatever it repeats."""
    password = outputs.planted.plant("the proxy's password", "Px/:@" + secrets.token_urlsafe(12))
    async with untrusted_proxy() as proxy:
        url = f"http://anna:{quote(password, safe='')}@127.0.0.1:{proxy.port}"
        environ = {"HTTPS_PROXY": url, "http_proxy": url}
        limits = Limits(linger=0.0, max_wait=0.6)
        ways: tuple[dict[str, Any], ...] = (
            {"aliyun": Aliyun(endpoint="https://ecs.example")},
            {"cloud": SimulatorSettings(animated=False, gateway_host="gateway.example")},
        )
        outcomes = set()
        # A daemon for each: one whose proxy refused the password doesn't ask it again at once.
        for number, (how, manner) in enumerate(product(ways, Manner)):
            folder, proxy.manner = tmp_path / str(number), manner
            async with running(folder, limits=limits, environ=environ, **how) as setup:
                await Owner(setup, outputs, "").visit("demo")
                outcomes |= {dial.outcome for dial in setup.cloud.dials}
            outputs.note("log", *setup.log.getvalue().splitlines())
            assert not outputs.planted.found_in_folder(folder, but=frozenset())
        assert "accepted" in outcomes
        basic = [
            head for head in proxy.requests if b"\r\nproxy-authorization: basic" in head.lower()
        ]
        assert len(basic) == len(proxy.requests) >= 2 * len(Manner)
    assert outputs.leaks() == set()


@pytest.mark.parametrize("form", range(8))
def test_the_search_finds_a_secret_in_any_form(form: int) -> None:
    """The tests above can fail: a log call that nobody redacts is found, however it is spelt."""
    planted = Planted()
    secret = planted.plant("a secret", 'Ab/+="%7z and so on')
    spelling = sorted(forms(secret))[form % len(forms(secret))].decode()
    assert planted.found_in(f"x{spelling}y") == {"a secret"}
    stream = io.StringIO()
    configure(format="json", level="debug", stream=stream)
    structlog.get_logger().info("event", note=f"something harmless: {secret}")
    assert planted.found_in(msgspec.json.decode(stream.getvalue())["note"]) == {"a secret"}


def test_the_search_finds_a_secret_in_a_chain() -> None:
    """A secret in an exception's cause or context counts, also in one that no traceback shows."""
    planted = Planted()
    secret = planted.plant("a secret", secrets.token_urlsafe(20))
    try:
        try:
            raise ValueError(f"no route to {secret}")
        except ValueError:
            raise UpstreamLost("it can't be reached") from None
    except UpstreamLost as error:
        assert any(planted.found_in(text) for text in texts_of(error))
