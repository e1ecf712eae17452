"""Who may do what at doors that tell people apart, tried against a daemon that runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from tests.setup import Running, running, until
from tests.unit.access.test_users import add
from tests.unit.web.raw_http import Answer, ask
from tests.unit.web.test_api import told_by_hand
from vncproxy.access.login_attempts import FREE
from vncproxy.config.model import Access, Limits, Listen, Rule
from vncproxy.config.users_file import change_users
from vncproxy.console.console import Console
from vncproxy.console.registry import Registry
from vncproxy.simulator.settings import SimulatedInstance, SimulatorSettings
from vncproxy.web.viewer_session import announce

DEMO = "/api/v1/consoles/demo"
RULES = (
    Rule(users=("adm",), instances=("*",), role="admin"),
    Rule(users=("ann",), instances=("demo",)),
    Rule(users=("@watchers",), instances=("d*",), role="watch"),
)
SECRET = "planted-proxy-secret-0123456789abcdef"


class People:
    """A daemon with a door for users, and their tokens."""

    def __init__(self, setup: Running, folder: Path) -> None:
        """The daemon runs."""
        self.setup = setup
        self.file = folder / "users.json"
        self.tokens: dict[str, str] = {}

    async def ask(self, target: str, *headers: str, user: str = "", **how: Any) -> Answer:
        """One request, with a user's token."""
        if user:
            headers = (*headers, f"Authorization: Bearer {self.tokens[user]}")
        return await ask(self.setup.daemon.servers[0].port, target, *headers, **how)

    async def log_in(self, user: str, door: int = 0) -> Answer:
        """The token for a cookie."""
        token = self.tokens[user]
        return await ask(
            self.setup.daemon.servers[door].port,
            "/api/v1/session",
            "Content-Type: application/json",
            method="POST",
            body=msgspec.json.encode({"token": token}),
        )

    async def socket(self, path: str, user: str) -> aiohttp.ClientWebSocketResponse:
        """A program's WebSocket."""
        headers = {"Authorization": f"Bearer {self.tokens[user]}"}
        return await self.setup.http.ws_connect(f"{self.setup.base}{path}", headers=headers)


@asynccontextmanager
async def people_of(folder: Path, **config: Any) -> AsyncIterator[People]:
    """Four users: an administrator, one who controls, one who watches, one whom no rule names."""
    file = folder / "users.json"
    tokens = {
        "adm": add(file, "adm"),
        "ann": add(file, "ann"),
        "wat": add(file, "wat", "watchers"),
        "nob": add(file, "nob"),
        "owner": add(file, "owner"),
    }
    async with running(
        folder,
        access=Access(users_file=file),
        listen=(
            Listen(name="users", address="127.0.0.1:0", access="users"),
            Listen(name="token", address="127.0.0.1:0"),
        ),
        rule=config.pop("rule", RULES),
        **config,
    ) as setup:
        people = People(setup, folder)
        people.tokens |= tokens
        yield people


@pytest.fixture
async def people(tmp_path: Path) -> AsyncIterator[People]:
    """The daemon with its users."""
    async with people_of(tmp_path) as found:
        yield found


async def test_everybody_sees_and_may_do_what_is_theirs(people: People) -> None:
    """From the list to the end of a console; what isn't theirs doesn't exist for them."""
    roles = {"adm": "admin", "ann": "control", "wat": "watch"}
    for user, role in roles.items():
        (row,) = (await people.ask("/api/v1/instances", user=user)).json["instances"]
        assert (row["alias"], row["role"]) == ("demo", role)
        admission = (await people.ask(f"{DEMO}/admission", user=user)).json
        assert admission["may_control"] is (user != "wat")
    for user in ("nob", "owner"):
        assert (await people.ask("/api/v1/instances", user=user)).json["instances"] == []
        for target, method in ((f"{DEMO}/admission", "GET"), (DEMO, "DELETE")):
            answer = await people.ask(target, user=user, method=method)
            assert (answer.status, answer.word) == (404, "unknown-instance")
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await people.socket("/websockify/demo", user)
        assert refusal.value.status == 404
    for user, status in (("adm", 200), ("ann", 403), ("nob", 403)):
        assert (await people.ask("/metrics", user=user)).status == status


async def test_who_only_watches_controls_nothing(people: People) -> None:
    """Neither by the page's wish nor by the address; the others know the difference."""
    socket = await people.socket("/websockify/demo?take=1", "wat")
    async with asyncio.timeout(60):
        assert await socket.receive_bytes() == b"RFB 003.008\n"
    (row,) = (await people.ask("/api/v1/consoles", user="wat")).json["consoles"]
    assert [one["role"] for one in row["viewers"]] == ["watch"]
    assert row["controller"] is None
    assert (await people.ask("/api/v1/consoles", user="nob")).json["consoles"] == []
    await socket.close()


async def test_who_may_end_whose_session(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """One's own, and with the right of an administrator everybody's."""
    told = told_by_hand(monkeypatch)
    socket = await people.socket("/websockify/demo", "ann")
    own = await people.socket("/websockify/demo", "wat")
    async with asyncio.timeout(60):
        for one in (socket, own):
            assert await one.receive_bytes() == b"RFB 003.008\n"
    (row,) = (await people.ask("/api/v1/consoles", user="adm")).json["consoles"]
    ids = {one["user"]: one["id"] for one in row["viewers"]}
    answer = await people.ask(f"{DEMO}/viewers/{ids['ann']}", user="wat", method="DELETE")
    assert (answer.status, answer.word) == (403, "not-allowed")
    assert (await people.ask(DEMO, user="ann", method="DELETE")).status == 403
    target = f"{DEMO}/viewers/{ids['wat']}"
    assert (await people.ask(target, user="wat", method="DELETE")).status == 204
    assert told == ["You ended it from elsewhere."]
    assert (await people.ask(DEMO, user="adm", method="DELETE")).status == 204
    for one in (socket, own):
        await one.receive()
        assert one.close_code == 4403


async def test_only_administrators_see_rules_rates_and_budgets(people: People) -> None:
    """Others see of a console what they saw before there was a page for administrators."""
    socket = await people.socket("/websockify/demo", "ann")
    async with asyncio.timeout(60):
        assert await socket.receive_bytes() == b"RFB 003.008\n"
    rows = {
        user: (await people.ask("/api/v1/consoles", user=user)).json["consoles"][0]
        for user in ("adm", "ann", "wat")
    }
    for user in ("ann", "wat"):
        assert rows[user].keys() == {
            *("instance", "alias", "region", "state", "since", "link_age_s", "keepalive"),
            *("controller", "viewers", "saved", "role"),
        }
        (viewer,) = rows[user]["viewers"]
        assert viewer.keys() == {"id", "user", "from", "role", "may_control", "asks", "since"}
    assert rows["adm"]["budget"]["used"] == 1
    (viewer,) = rows["adm"]["viewers"]
    assert (viewer["rule"], viewer["door"], viewer["identity"]) == ("rule 2", "users", "bearer")
    watched = {
        user: (await people.ask("/api/v1/instances", user=user)).json["administrator"]
        for user in ("adm", "ann", "wat", "nob")
    }
    assert watched == {"adm": True, "ann": False, "wat": False, "nob": False}
    await socket.close()


async def test_proof_of_one_door_is_none_at_another(people: People) -> None:
    """Neither tokens, cookies nor tickets cross over, whatever the users are called."""
    token = (people.setup.daemon.state / "token").read_text().strip()
    wrong = await people.ask("/api/v1/instances", f"Authorization: Bearer {token}")
    assert (wrong.status, wrong.word) == (401, "wrong-token")
    answer = await people.log_in("owner")
    assert answer.status == 204
    cookie = answer.cookies[0].partition(";")[0]
    assert (await people.ask("/api/v1/instances", f"Cookie: {cookie}")).json["user"] == "owner"
    value = cookie.partition("=")[2]
    name = f"vncproxy-{(people.setup.daemon.state / 'daemon-id').read_text()}"
    other = people.setup.daemon.servers[1].port
    for proof in (f"Cookie: {cookie}", f"Cookie: {name}={value}"):
        assert (await ask(other, "/api/v1/instances", proof)).status == 401
    assert (await people.log_in("owner", door=1)).status == 401
    ticket = (await people.ask(f"{DEMO}/admission", user="ann")).json["ticket"]
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await people.setup.http.ws_connect(
            f"http://localhost:{other}/websockify/demo?ticket={ticket}",
            headers={"Origin": f"http://localhost:{other}"},
        )
    assert refusal.value.status == 401


async def test_a_removed_user_is_out_at_once(people: People) -> None:
    """Token, cookie and ticket; another token of the same name doesn't bring them back."""
    cookie = f"Cookie: {(await people.log_in('ann')).cookies[0].partition(';')[0]}"
    assert (await people.ask("/api/v1/instances", cookie)).status == 200
    change_users(people.file, lambda users: tuple(one for one in users if one.name != "ann"))
    assert (await people.ask("/api/v1/instances", cookie)).status == 401
    assert (await people.ask("/api/v1/instances", user="ann")).status == 401
    people.tokens["ann"] = add(people.file, "ann")
    assert (await people.ask("/api/v1/instances", user="ann")).status == 200
    assert (await people.ask("/api/v1/instances", cookie)).status == 401


async def test_wrong_tokens_are_slowed_down(people: People) -> None:
    """After some the next wrong one has to wait, never the right one; log and audit have it."""
    wrong = f"Authorization: Bearer {people.tokens['ann']}x"
    for _ in range(FREE):
        assert (await people.ask("/api/v1/instances", wrong)).status == 401
    answer = await people.ask("/api/v1/instances", wrong)
    assert (answer.status, answer.word) == (429, "too-many-attempts")
    assert int(answer.headers["retry-after"]) > 0
    assert (await people.log_in("ann")).status == 204
    failed = [event for event in people.setup.events if event["event"] == "login.failed"]
    assert [event["in_a_row"] for event in failed] == list(range(1, FREE + 1))
    assert people.tokens["ann"] not in people.setup.log.getvalue()
    audit = people.setup.daemon.state / "audit.jsonl"
    await until(lambda: "too-many-attempts" in audit.read_text(), "the audit to be written")
    assert '"wrong-token"' in audit.read_text()


async def test_wrong_secrets_are_slowed_down(tmp_path: Path) -> None:
    """As wrong tokens are; a missing one is no guess, and the right one always counts."""
    user = "X-Forwarded-User: ann"
    async with behind_a_proxy(tmp_path, "127.0.0.1") as setup:
        port = setup.daemon.servers[0].port
        for _ in range(FREE + 1):
            assert (await ask(port, "/api/v1/instances", user)).word == "no-secret"
        wrong = (f"X-Vncproxy-Secret: {SECRET}x", user)
        for _ in range(FREE):
            assert (await ask(port, "/api/v1/instances", *wrong)).word == "wrong-secret"
        answer = await ask(port, "/api/v1/instances", *wrong)
        assert (answer.status, answer.word) == (429, "too-many-attempts")
        assert "secrets" in answer.json["error"]["text"]
        right = await ask(port, "/api/v1/instances", f"X-Vncproxy-Secret: {SECRET}", user)
        assert right.json["user"] == "ann"
        assert (await ask(port, "/api/v1/instances", *wrong)).status == 429
        failed = [event for event in setup.events if event["event"] == "login.failed"]
        assert [event["in_a_row"] for event in failed] == list(range(1, FREE + 1))
        assert SECRET not in setup.log.getvalue()


async def test_a_rule_taken_away_ends_what_it_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """4403 for those whom it was about, and nobody else; the page's channel ends, too."""
    registries: list[Registry] = []

    def kept_registry(*parts: Any, **more: Any) -> Registry:
        registries.append(Registry(*parts, **more))
        return registries[0]

    monkeypatch.setattr("vncproxy.app.Registry", kept_registry)
    async with people_of(tmp_path, limits=Limits(linger=0.0)) as people:
        ann = await people.socket("/websockify/demo", "ann")
        adm = await people.socket("/websockify/demo", "adm")
        async with asyncio.timeout(60):
            for one in (ann, adm):
                assert await one.receive_bytes() == b"RFB 003.008\n"
        control = await people.socket("/control/demo", "ann")
        authority = people.setup.daemon.components.authority
        people.setup.use_rules(RULES[:1])
        assert registries[0].recheck(authority.objection) == 1
        await ann.receive()
        assert ann.close_code == 4403
        async with asyncio.timeout(60):
            while not control.closed:
                await control.receive()
        assert control.close_code == 4403
        assert not adm.closed
        (console,) = registries[0].consoles
        assert [viewer.identity.user for viewer in console.viewers] == ["adm"]
        await adm.close()


async def test_a_rule_taken_away_on_the_way_in(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is being recorded as coming at that moment doesn't get in either."""
    authority = people.setup.daemon.components.authority
    enter = Console.enter

    async def enter_late(console: Console, viewer: Any) -> None:
        begin = console.recordings.begin

        async def withdraw(who: Any) -> None:
            await begin(who)
            people.setup.use_rules(())
            console.recheck(authority.objection)

        monkeypatch.setattr(console.recordings, "begin", withdraw)
        await enter(console, viewer)

    monkeypatch.setattr(Console, "enter", enter_late)
    socket = await people.socket("/websockify/demo", "ann")
    message = await socket.receive(20)
    assert message.type is aiohttp.WSMsgType.CLOSE
    assert socket.close_code == 4403


@asynccontextmanager
async def behind_a_proxy(folder: Path, *trusted: str) -> AsyncIterator[Running]:
    """A daemon for these proxies."""
    secret = folder / "header.secret"
    secret.write_text(f"{SECRET}\n")
    secret.chmod(0o600)
    door = Listen(
        address="127.0.0.1:0", access="header", trusted_proxies=trusted, header_secret_file=secret
    )
    async with running(folder, listen=(door,), rule=RULES) as setup:
        yield setup


async def test_a_proxy_names_the_user(tmp_path: Path) -> None:
    """And only a listed one that knows the secret does, once, to the API and the WebSockets."""
    good = (f"X-Vncproxy-Secret: {SECRET}", "X-Forwarded-User: ann")
    async with behind_a_proxy(tmp_path, "127.0.0.1") as setup:
        port = setup.daemon.servers[0].port
        answer = await ask(port, "/api/v1/instances", *good)
        assert answer.json["user"] == "ann"
        assert [row["role"] for row in answer.json["instances"]] == ["control"]
        attacks = {
            "missing secret": (good[1:], "no-secret"),
            "wrong secret": ((f"X-Vncproxy-Secret: {SECRET}x", good[1]), "wrong-secret"),
            "secret twice": ((good[0], *good), "no-secret"),
            "no user": (good[:1], "no-user"),
            "user twice": ((*good, "X-Forwarded-User: adm"), "no-user"),
            "user twice in one": ((good[0], "X-Forwarded-User: ann, adm"), "no-user"),
            "underscore": ((good[0], "X_Forwarded_User: adm"), "no-user"),
        }
        for name, (headers, word) in attacks.items():
            answer = await ask(port, "/api/v1/instances", *headers)
            assert (answer.status, answer.word) == (401, word), name
        foreign = await ask(port, "/api/v1/instances", *good, "Origin: http://evil.example")
        assert foreign.status == 403
        proof = {"X-Vncproxy-Secret": SECRET, "X-Forwarded-User": "ann"}
        socket = await setup.http.ws_connect(f"{setup.base}/websockify/demo", headers=proof)
        async with asyncio.timeout(60):
            assert await socket.receive_bytes() == b"RFB 003.008\n"
        await socket.close()
        ticket = (await ask(port, f"{DEMO}/admission", *good)).json["ticket"]
        page = {"Origin": f"http://127.0.0.1:{port}"}
        for user in ("adm", None):
            others = proof | page | ({"X-Forwarded-User": user} if user else {})
            if user is None:
                del others["X-Vncproxy-Secret"]
            with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
                await setup.http.ws_connect(
                    f"{setup.base}/websockify/demo?ticket={ticket}", headers=others
                )
            assert refusal.value.status == 401
        socket = await setup.http.ws_connect(
            f"{setup.base}/websockify/demo?ticket={ticket}", headers=proof | page
        )
        await socket.close()
        assert SECRET not in setup.log.getvalue()


async def test_an_unlisted_proxy_is_nobody(tmp_path: Path) -> None:
    """Even with the secret."""
    async with behind_a_proxy(tmp_path, "10.0.0.5") as setup:
        answer = await ask(
            setup.daemon.servers[0].port,
            "/api/v1/instances",
            f"X-Vncproxy-Secret: {SECRET}",
            "X-Forwarded-User: ann",
        )
        assert (answer.status, answer.word) == (401, "not-a-proxy")


async def test_what_a_rule_records(people: People) -> None:
    """The rule that let somebody in stands in the audit."""
    socket = await people.socket("/websockify/demo", "ann")
    async with asyncio.timeout(60):
        assert await socket.receive_bytes() == b"RFB 003.008\n"
    await socket.close()
    audit = people.setup.daemon.state / "audit.jsonl"
    await until(lambda: '"close"' in audit.read_text(), "the end to be written")
    opened = [msgspec.json.decode(line) for line in audit.read_text().splitlines()]
    (entry,) = [one for one in opened if one["event"] == "open"]
    assert (entry["user"], entry["rule"], entry["identity"]) == ("ann", "rule 2", "bearer")


async def test_a_rule_taken_away_before_the_first_byte(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the admission and the first byte a reload may come; the audit has both ends."""

    async def announce_late(console: Console, who: Any) -> None:
        await announce(console, who)
        people.setup.use_rules(())

    monkeypatch.setattr("vncproxy.web.viewer_websockets.announce", announce_late)
    socket = await people.socket("/websockify/demo", "ann")
    message = await socket.receive(20)
    assert message.type is aiohttp.WSMsgType.CLOSE
    assert socket.close_code == 4403
    audit = people.setup.daemon.state / "audit.jsonl"
    await until(lambda: '"close"' in audit.read_text(), "the end to be written")
    await until(lambda: not people.setup.cloud.sessions, "the end of the link")


async def test_rules_about_tags(tmp_path: Path) -> None:
    """What the cloud says of an instance decides, also before anybody listed them."""
    shop = SimulatedInstance(name="demo", tags=(("team", "shop"),))
    cloud = SimulatorSettings(instances=(shop,), animated=False)
    rules = (
        Rule(users=("ann",), instances=("tag:team=shop",)),
        Rule(users=("wat",), instances=("tag:team=db",)),
    )
    async with people_of(tmp_path, cloud=cloud, rule=rules) as people:
        assert (await people.ask(f"{DEMO}/admission", user="ann")).status == 200
        assert (await people.ask(f"{DEMO}/admission", user="wat")).status == 404
