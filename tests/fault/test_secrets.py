"""No secret comes out: a run of faults with planted secrets, and a search of all that was said."""

from __future__ import annotations

import asyncio
import io
import secrets
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import msgspec
import pytest
import structlog
from aiohttp import web

from tests.fault.secret_search import Planted, forms, told_by
from tests.fault.untrusted_proxy import Manner, untrusted_proxy
from tests.setup import WAIT_S, Closed, Running, running, until
from tests.unit.console.fakes import VERSION
from vncproxy.config.model import Access, Aliyun, Instance, Limits, Log
from vncproxy.console.runner import ConsoleParts
from vncproxy.errors import CloseReason, UpstreamLost, VncproxyError
from vncproxy.observe.logging import configure
from vncproxy.simulator.faults import ANY, ApiFault, GatewayFault, GatewayFaultKind, Step
from vncproxy.simulator.gateway import Gateway
from vncproxy.simulator.settings import AccessKey, SimulatedInstance, SimulatorSettings
from vncproxy.simulator.tickets import Tickets as GatewayTickets
from vncproxy.web.sessions import Sessions
from vncproxy.web.tickets import EntryTicket, Tickets, ViewerTicket
from vncproxy.web.viewer_leg import ViewerLeg

CALL = "DescribeInstanceVncUrl"
VNC_PASSWORD, OTHER_PASSWORD, WRONG_PASSWORD = "qW7xZ9", "kJ4vB8", "hN2mC5"
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
REFLECTIONS = ("redirect", "body", "header", "no upgrade", "garbage")


@dataclass
class Said:
    """All that came out of the daemon, by where it came out."""

    planted: Planted = field(default_factory=Planted)
    texts: dict[str, list[str | bytes]] = field(default_factory=dict)
    errors: list[VncproxyError] = field(default_factory=list)
    reflections: deque[str] = field(default_factory=deque)
    url_token: str = ""
    """Of the newest VncUrl."""

    def note(self, where: str, *what: str | bytes) -> None:
        self.texts.setdefault(where, []).extend(what)

    def leaks(self) -> set[tuple[str, str]]:
        """(where, which secret); each text alone, so that no secret is made up of two."""
        found = {
            (where, name)
            for where, texts in self.texts.items()
            for text in texts
            for name in self.planted.found_in(text)
        }
        told = (text for error in self.errors for text in told_by(error))
        return found | {("error", name) for text in told for name in self.planted.found_in(text)}


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Said:
    """Listens at every way out, and plants what the daemon and the cloud make up themselves."""
    said = Said()
    plant = said.planted.plant

    make = GatewayTickets.make

    def made(*args: Any) -> str:
        said.url_token = plant("the VncUrl's token", make(*args))
        return said.url_token

    monkeypatch.setattr(GatewayTickets, "make", made)
    issue = Tickets.issue

    def issued(self: Tickets, ticket: EntryTicket | ViewerTicket) -> str:
        return plant("a ticket", issue(self, ticket))

    monkeypatch.setattr(Tickets, "issue", issued)
    begin = Sessions.begin

    async def begun(self: Sessions, *args: Any) -> str:
        return plant("a cookie", await begin(self, *args))

    monkeypatch.setattr(Sessions, "begin", begun)
    init = VncproxyError.__init__

    def raised(self: VncproxyError, text: str) -> None:
        init(self, text)
        said.errors.append(self)

    monkeypatch.setattr(VncproxyError, "__init__", raised)
    send, close = ViewerLeg.send, ViewerLeg.close

    def sent(self: ViewerLeg, slices: Sequence[bytes]) -> None:
        said.note("RFB to a viewer", b"".join(slices))
        send(self, slices)

    async def closed(self: ViewerLeg, reason: CloseReason | None = None) -> None:
        if reason is not None:
            said.note("close reason", reason.reason, repr(reason))
        await close(self, reason)

    monkeypatch.setattr(ViewerLeg, "send", sent)
    monkeypatch.setattr(ViewerLeg, "close", closed)
    handle = Gateway.handle

    async def handled(self: Gateway, request: web.Request) -> web.StreamResponse:
        if said.reflections:
            return _reflection(said.reflections.popleft(), request)
        return await handle(self, request)

    monkeypatch.setattr(Gateway, "handle", handled)
    monkeypatch.setattr("vncproxy.app.ConsoleParts", partial(ConsoleParts, first_pause_s=0.02))
    return said


def _reflection(kind: str, request: web.Request) -> web.Response:
    """An answer that has the VncUrl in it."""
    match kind:
        case "redirect":
            return web.Response(status=302, headers={"Location": str(request.url)})
        case "body":
            return web.Response(status=403, text=f"{request.url} {request.raw_path}")
        case "header":
            return web.Response(status=500, headers={"X-Url": request.raw_path})
        case "no upgrade":
            return web.Response(status=200, text=request.raw_path)
        case _:
            return web.Response(status=101, reason=request.raw_path)


@asynccontextmanager
async def tell_tale(reason: Callable[[], str]) -> AsyncIterator[str]:
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
    tmp_path: Path, said: Said, style: Literal["json", "console"], capfd: pytest.CaptureFixture[str]
) -> None:
    """After every fault of API, gateway, viewer and page, at level debug, in both formats."""
    plant = said.planted.plant
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
        owner = Owner(setup, said, bearer)
        for number, fault in enumerate(API_FAULTS):
            setup.cloud.faults.next(CALL, fault, times=3)
            await owner.visit(f"guarded-{number % 2}")
            setup.cloud.faults.clear()
        for number, gateway_fault in enumerate(GATEWAY_FAULTS):
            setup.cloud.gateway_faults.next(ANY, gateway_fault)
            await owner.visit(f"guarded-{number % 3}")
            setup.cloud.gateway_faults.clear()
        for number, kind in enumerate(REFLECTIONS):
            said.reflections.append(kind)
            await owner.visit(f"guarded-{number % 3}")
        await owner.ask_everything()
        await owner.give_passwords()
        await owner.say_it_wrongly()
        for password in (VNC_PASSWORD, OTHER_PASSWORD):
            assert password not in setup.daemon.redactor.clean(f"the guest said: {password}")
    said.note("log", *setup.log.getvalue().splitlines(), setup.log.getvalue())
    said.note("standard output", *capfd.readouterr())
    folder = said.planted.found_in_folder(tmp_path / "state", but=frozenset())
    assert len(setup.log.getvalue().splitlines()) > 100
    assert {"the AccessKey secret", "the STS token", "the bearer token", "a ticket", "a cookie"} < (
        said.planted.names
    )
    assert len(said.errors) > 30
    assert said.leaks() == set()
    assert folder == set()


async def test_what_an_upstream_repeats_is_hidden(tmp_path: Path, said: Said) -> None:
    """A refusal's reason goes to the log: not so the secrets in it, by whomever it was written."""
    plant = said.planted.plant
    key = AccessKey(
        secret=plant("the AccessKey secret", secrets.token_urlsafe(20)),
        security_token=plant("the STS token", secrets.token_urlsafe(60)),
    )

    def reason() -> str:
        return f"said {said.url_token} {key.secret} or {key.security_token} before the end"

    async with tell_tale(reason) as address:
        one = SimulatedInstance(screen=address)
        cloud = SimulatorSettings(keys=(key,), instances=(one,))
        async with running(tmp_path, cloud=cloud, limits=Limits(max_wait=0.6)) as setup:
            await Owner(setup, said, "").visit(one.name)
        said.note("log", *setup.log.getvalue().splitlines())
    assert "before the end" in setup.log.getvalue()
    assert said.leaks() == set()


async def test_a_proxys_password_stays_inside(tmp_path: Path, said: Said) -> None:
    """Whatever the proxy answers, to a call of the API and to a dial, and whatever it repeats."""
    password = said.planted.plant("the proxy's password", "Px/:@" + secrets.token_urlsafe(12))
    async with untrusted_proxy() as proxy:
        url = f"http://anna:{quote(password, safe='')}@127.0.0.1:{proxy.port}"
        environ = {"HTTPS_PROXY": url, "http_proxy": url}
        limits = Limits(linger=0.0, max_wait=0.6)
        ways: tuple[dict[str, Any], ...] = (
            {"aliyun": Aliyun(endpoint="https://ecs.example")},
            {"cloud": SimulatorSettings(animated=False, gateway_host="gateway.example")},
        )
        for number, how in enumerate(ways):
            folder = tmp_path / str(number)
            async with running(folder, limits=limits, environ=environ, **how) as setup:
                for proxy.manner in Manner:
                    await Owner(setup, said, "").visit("demo")
            said.note("log", *setup.log.getvalue().splitlines())
            assert not said.planted.found_in_folder(folder, but=frozenset())
        assert "accepted" in [dial.outcome for dial in setup.cloud.dials]
        basic = [
            head for head in proxy.requests if b"\r\nproxy-authorization: basic" in head.lower()
        ]
        assert len(basic) == len(proxy.requests) >= 2 * len(Manner)
    assert said.leaks() == set()


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
        assert any(planted.found_in(text) for text in told_by(error))


@dataclass
class Owner:
    """Somebody who may do everything, does it, and writes down what is answered."""

    setup: Running
    said: Said
    bearer: str

    @property
    def pass_(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.bearer}"} if self.bearer else {}

    async def visit(self, alias: str) -> None:
        """Open a console, look for a moment at what comes, and leave."""
        self.setup.alias = alias
        viewer = await self.setup.connect(headers=self.pass_)
        with suppress(Closed, AssertionError, TimeoutError):
            async with asyncio.timeout(0.8):
                await viewer.shake_hands()
                await viewer.send(viewer.request(0))
                await viewer.socket.receive()
        await viewer.close()
        self.setup.viewers.remove(viewer)

    async def ask(self, method: str, path: str, **how: Any) -> Any:
        """One request; its answer is written down without what it exists to give."""
        async with self.setup.http.request(method, self.setup.base + path, **how) as answer:
            body = await answer.text()
            headers = "\n".join(f"{k}: {v}" for k, v in answer.headers.items())
            given = {"ticket", "path"} if answer.content_type == "application/json" else set()
            document = msgspec.json.decode(body) if given else None
            if isinstance(document, dict):
                body = repr({k: v for k, v in document.items() if k not in given})
            if "Set-Cookie" in answer.headers:
                headers = headers.replace(answer.headers["Set-Cookie"], "(a cookie)")
            self.said.note(f"{method} {path.partition('?')[0]}", headers, body)
            return document

    async def ask_everything(self) -> None:
        """Every route, with and without the right to."""
        paths = ["/", "/enter", "/console/guarded-0", "/healthz", "/readyz", "/metrics"]
        paths += [f"/api/v1/{name}" for name in ("instances", "consoles")]
        wrong = {"Authorization": f"Bearer {self.bearer}x"}
        for path in [*paths, "/api/v1/consoles/guarded-0/admission", "/no/such/page"]:
            for headers in (self.pass_, wrong, {}):
                await self.ask("GET", path, headers=headers)
        entry = await self.ask("POST", "/api/v1/tickets", headers=self.pass_, json={})
        for credentials in ({"ticket": entry["ticket"]}, {"token": self.bearer}):
            for _ in range(2):
                await self.ask("POST", "/api/v1/session", json=credentials)
        await self.ask("POST", "/api/v1/session", json={"token": self.bearer + "x"})
        await self.ask("POST", "/api/v1/session", data=f"token={self.bearer}")
        await self.ask("GET", f"/enter?ticket={entry['ticket']}&token={self.bearer}")
        await self.ask("GET", f"/no/such/{self.bearer}")
        await self.ask("GET", "/", headers={"Host": f"{self.bearer}.example"})
        await self.ask("GET", "/api/v1/instances", headers={"Origin": f"https://{self.bearer}.x"})

    async def give_passwords(self) -> None:
        """By a page: one that isn't any, a wrong one, the right one."""
        self.setup.alias = "asking"
        admission = await self.ask("GET", "/api/v1/consoles/asking/admission", headers=self.pass_)
        page = {"Origin": self.setup.base}
        query = f"?ticket={admission['ticket']}"
        viewer = await self.setup.connect(query, headers=page)
        control = await self.setup.http.ws_connect(
            f"{self.setup.base}/control/asking{query}", headers=page
        )
        states: list[str] = []

        async def listen() -> None:
            async for message in control:
                self.said.note("control WebSocket", message.data)
                states.append(msgspec.json.decode(message.data).get("state", ""))

        listening = asyncio.create_task(listen())
        try:
            for password in ("no password " + WRONG_PASSWORD, WRONG_PASSWORD, OTHER_PASSWORD):
                await until(lambda: "password" in states, "the question for a password")
                states.clear()
                await control.send_json({"type": "password", "password": password})
                if password.startswith("no"):
                    states.append("password")
            async with asyncio.timeout(WAIT_S):
                await viewer.shake_hands()
        finally:
            listening.cancel()
            await control.close()
            await viewer.close()

    async def say_it_wrongly(self) -> None:
        """What isn't HTTP, with a secret in it."""
        for head in (
            f"GET /websockify/guarded-0?ticket={self.bearer} HTTP/9.9",
            f"GET /{self.bearer} HTTP/1.1\r\nAuthorization Bearer {self.bearer}",
            f"{self.bearer} / HTTP/1.1",
            f"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: a\x01={self.bearer}",
        ):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", self.setup.daemon.servers[0].port
            )
            writer.write(head.encode() + b"\r\n\r\n")
            with suppress(ConnectionError):
                self.said.note("answer to no HTTP", await reader.read(65536))
            writer.close()
