"""The JSON routes: what they give to whom."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections import Counter
from collections.abc import Collection
from functools import partial
from pathlib import Path

import aiohttp
import msgspec
import pytest

from tests.owner_client import JSON, OwnerClient, owner_client
from tests.setup import running, until
from tests.unit.access.test_users import add
from vncproxy.config.model import Access, Aliyun, Instance, Limits, Listen, Rule
from vncproxy.console.page_messages import Pages
from vncproxy.console.viewer import Viewer
from vncproxy.errors import CloseReason, LedgerError
from vncproxy.simulator.faults import ApiFault
from vncproxy.simulator.settings import SimulatedInstance, SimulatorSettings
from vncproxy.throttle.ledger_interface import LATE, usages
from vncproxy.throttle.reconnect_budget import Usage
from vncproxy.throttle.sqlite_ledger import SqliteLedger
from vncproxy.web import api

pytestmark = pytest.mark.sockets

SESSION = "/api/v1/session"
DEMO = "/api/v1/consoles/demo"


async def test_everything_wants_an_identity(
    owner: OwnerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """401 without one and with a wrong one, before anything about the instance is reported."""
    monkeypatch.setattr("vncproxy.access.login_attempts.FREE", 100)
    routes = [
        ("GET", "/api/v1/instances"),
        ("GET", "/api/v1/consoles"),
        ("GET", f"{DEMO}/admission"),
        ("GET", "/api/v1/consoles/unknown/admission"),
        ("DELETE", DEMO),
        ("DELETE", "/api/v1/consoles/unknown"),
        ("DELETE", f"{DEMO}/viewers/v-1"),
        ("POST", "/api/v1/tickets"),
        ("GET", "/metrics"),
    ]
    for method, target in routes:
        answer = await owner.ask(target, method=method)
        assert (answer.status, answer.word) == (401, "log-in"), target
        assert answer.headers["www-authenticate"] == 'Bearer realm="vncproxy"'
        for proof, word in (
            ("Authorization: Bearer wrong", "wrong-token"),
            ("Authorization: Bearer", "log-in"),
            (f"Authorization: Basic {owner.token}", "log-in"),
            (f"Cookie: {owner.cookie_name}=x", "log-in"),
            (f"Cookie: {owner.cookie_name}", "log-in"),
            ('Cookie: =;;; \xff="', "log-in"),
        ):
            answer = await owner.ask(target, proof, method=method)
            assert (answer.status, answer.word) == (401, word), (target, proof)
    assert not owner.setup.cloud.calls


async def test_instances(owner: OwnerClient) -> None:
    """What may be opened, its state in the cloud, and who is on."""
    answer = (await owner.ask("/api/v1/instances", owner.bearer)).json
    assert answer["user"] == "owner"
    assert answer["session"] is False
    assert answer["problem"] is None
    (row,) = answer["instances"]
    assert row == {
        "alias": "demo",
        "id": "i-bp1demo0000000000001",
        "name": "demo",
        "region": "cn-hangzhou",
        "windows": False,
        "os": "Debian 12 64-bit",
        "tags": {},
        "status": "Running",
        "power": False,
        "missing": False,
        "role": "admin",
        "state": None,
        "viewers": [],
    }
    await owner.viewer()
    (row,) = (await owner.ask("/api/v1/instances", await owner.log_in())).json["instances"]
    assert row["state"] == "running"
    assert [viewer["user"] for viewer in row["viewers"]] == ["owner"]


async def test_instances_without_the_cloud(owner: OwnerClient) -> None:
    """The configured ones are listed all the same, with the reason why no state is known."""
    owner.setup.cloud.faults.next("DescribeInstances", ApiFault.error("Forbidden.RAM"))
    answer = (await owner.ask("/api/v1/instances", owner.bearer)).json
    assert [(row["alias"], row["status"]) for row in answer["instances"]] == [("demo", None)]
    assert answer["problem"]["code"] == "Forbidden.RAM"
    assert answer["problem"]["text"]


async def test_discovered_instances(tmp_path: Path) -> None:
    """With discover, what the cloud shows may be opened by its id, and only that."""
    found = SimulatedInstance(instance_id="i-bp1found000000000001", name="../odd name")
    cloud = SimulatorSettings(instances=(found,), animated=False)
    async with running(tmp_path, cloud=cloud, access="token") as setup:
        endpoint = setup.cloud.endpoint
        aliyun = Aliyun(endpoint=endpoint, discover=True)
        async with running(
            tmp_path / "b", cloud=setup.cloud, access="token", aliyun=aliyun, instance=()
        ) as discovering:
            owner = owner_client(discovering)
            target = f"/api/v1/consoles/{found.instance_id}/admission"
            assert (await owner.ask(target, owner.bearer)).status == 200
            (row,) = (await owner.ask("/api/v1/instances", owner.bearer)).json["instances"]
            assert (row["alias"], row["name"]) == (found.instance_id, found.name)
            unknown = await owner.ask("/api/v1/consoles/i-x/admission", owner.bearer)
            assert (unknown.status, unknown.word) == (404, "unknown-instance")


async def test_consoles_and_their_end(owner: OwnerClient) -> None:
    """An open console is listed; DELETE ends it with 4403 for all who are on."""
    assert (await owner.ask("/api/v1/consoles", owner.bearer)).json == {"consoles": []}
    viewer = await owner.viewer()
    await until(lambda: viewer.decoder.updates, "a picture")
    (row,) = (await owner.ask("/api/v1/consoles", owner.bearer)).json["consoles"]
    assert (row["instance"], row["alias"]) == ("i-bp1demo0000000000001", "demo")
    assert (row["state"], row["region"]) == ("running", "cn-hangzhou")
    assert [one["role"] for one in row["viewers"]] == ["control"]
    assert row["controller"] == row["viewers"][0]["id"]
    answer = await owner.ask(DEMO, owner.bearer, method="DELETE")
    assert (answer.status, answer.body) == (204, b"")
    assert await viewer.ended() == 4403
    again = await owner.ask(DEMO, owner.bearer, method="DELETE")
    assert (again.status, again.word) == (404, "not-open")
    assert (await owner.ask("/api/v1/consoles", owner.bearer)).json == {"consoles": []}


async def test_what_an_administrator_sees(owner: OwnerClient) -> None:
    """Rates, what each was let in by, and what the budget has left, of this very connection."""
    viewer = await owner.viewer()
    await until(lambda: owner.setup.shows(viewer), "the picture")
    (row,) = (await owner.ask("/api/v1/consoles", owner.bearer)).json["consoles"]
    assert row["from_cloud"]["bytes"] > 1000
    assert row["from_cloud"]["bytes_per_s"] > 0
    budget = row["budget"]
    assert (budget["used"], budget["left"], budget["limit"]) == (1, 28, 29)
    assert (budget["next_free_s"], row["budget_problem"]) == (0, None)
    (one,) = row["viewers"]
    assert (one["identity"], one["door"], one["rule"]) == ("bearer", "local", None)
    assert one["to_viewer"]["bytes"] > 1000
    assert one["input_age_s"] is None
    await viewer.type("x")
    while True:
        (row,) = (await owner.ask("/api/v1/consoles", owner.bearer)).json["consoles"]
        if (age_s := row["viewers"][0]["input_age_s"]) is not None:
            break
    assert 0 <= age_s < 60


async def test_a_ledger_that_fails_or_hangs(
    owner: OwnerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The consoles are listed all the same, with the reason why the budget isn't known."""
    await owner.viewer()

    async def broken(ledger: SqliteLedger, keys: Collection[str]) -> dict[str, Usage]:
        raise LedgerError("the disk is full")

    async def hanging(ledger: SqliteLedger, keys: Collection[str]) -> dict[str, Usage]:
        await asyncio.Event().wait()
        raise AssertionError("it hangs")

    monkeypatch.setattr("vncproxy.console.registry.usages", partial(usages, timeout_s=0.05))
    for answer, problem in ((broken, "the disk is full"), (hanging, LATE)):
        monkeypatch.setattr(SqliteLedger, "usages", answer)
        (row,) = (await owner.ask("/api/v1/consoles", owner.bearer)).json["consoles"]
        assert (row["alias"], row["budget"], row["budget_problem"]) == ("demo", None, problem)


def told_by_hand(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What viewers are told whom somebody ends, from now on; nobody is to be ended otherwise."""
    told = list[str]()
    end_viewer = Pages.end_viewer

    def spied(pages: Pages, viewer: Viewer, reason: CloseReason, *, by_hand: bool = False) -> None:
        assert by_hand
        told.append(reason.text)
        end_viewer(pages, viewer, reason, by_hand=by_hand)

    monkeypatch.setattr(Pages, "end_viewer", spied)
    return told


async def test_one_viewer_is_ended(owner: OwnerClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """The named viewer gets 4403, the other stays; all who have the token are the owner."""
    told = told_by_hand(monkeypatch)
    first, second = await owner.viewer(), await owner.viewer("?view=1")
    await until(lambda: second.decoder.updates, "a picture")
    (row,) = (await owner.ask("/api/v1/consoles", owner.bearer)).json["consoles"]
    watcher = next(one["id"] for one in row["viewers"] if one["role"] == "watch")
    unknown = await owner.ask(f"{DEMO}/viewers/v-0", owner.bearer, method="DELETE")
    assert (unknown.status, unknown.word) == (404, "no-viewer")
    target = f"{DEMO}/viewers/{watcher}"
    assert (await owner.ask(target, owner.bearer, method="DELETE")).status == 204
    assert await second.ended() == 4403
    assert told == ["Somebody ended it from elsewhere."]
    assert not first.socket.closed
    assert (await owner.ask(target, owner.bearer, method="DELETE")).status == 404


async def test_admission(owner: OwnerClient) -> None:
    """A page learns what it opens, and gets an id and a ticket of its own."""
    first, second = await owner.admission(), await owner.admission("?view=1&take=1")
    assert first["instance"] == {
        "alias": "demo",
        "id": "i-bp1demo0000000000001",
        "name": "",
        "region": "cn-hangzhou",
        "windows": False,
    }
    assert (first["may_control"], second["may_control"]) == (True, False)
    assert first["viewer"] != second["viewer"]
    assert first["ticket"] != second["ticket"]
    by_id = "/api/v1/consoles/i-bp1demo0000000000001/admission"
    assert (await owner.ask(by_id, owner.bearer)).json["instance"] == first["instance"]


async def test_unknown_instances(owner: OwnerClient) -> None:
    """404; the cloud is asked what its own are called, once, and never about a made-up one."""
    for name in ("unknown", "DEMO", "i-bp1demo0000000000002", "demo%00", "%ff", "x" * 5000):
        answer = await owner.ask(f"/api/v1/consoles/{name}/admission", owner.bearer)
        assert (answer.status, answer.word) == (404, "unknown-instance"), name
    assert [call.action for call in owner.setup.cloud.calls] == ["DescribeInstances"]


async def test_a_wrong_name_is_told_the_right_one(owner: OwnerClient) -> None:
    """In words, as commands and the page show them."""
    answer = await owner.ask("/api/v1/consoles/demmo/admission", owner.bearer)
    assert answer.status == 404
    assert answer.json["error"]["text"].endswith("isn't yours to open. Did you mean demo?")


async def test_what_others_may_open_is_proposed_to_nobody(tmp_path: Path) -> None:
    """Who may open nothing learns no name."""
    file = tmp_path / "users.json"
    token = add(file, "eve")
    door = Listen(address="127.0.0.1:0", access="users")
    access = Access(users_file=file)
    rule = Rule(users=("ann",), instances=("demo",), role="control")
    async with running(tmp_path, access=access, listen=(door,), rule=(rule,)) as setup:
        headers = {"Authorization": f"Bearer {token}"}
        path = f"{setup.base}/api/v1/consoles/demmo/admission"
        async with setup.http.get(path, headers=headers) as answer:
            assert answer.status == 404
            assert "mean" not in await answer.text()


async def test_a_hidden_instance_of_the_same_name_is_not_noticed(tmp_path: Path) -> None:
    """The cloud's name is one's alone if it is so among those that the user may see."""
    file = tmp_path / "users.json"
    tokens = {name: add(file, name) for name in ("pat", "ann")}
    ids = ("i-bp1demo0000000000001", "i-bp1demo0000000000002")
    cloud = SimulatorSettings(
        instances=tuple(SimulatedInstance(instance_id=one, name="dup") for one in ids),
        animated=False,
    )
    async with running(
        tmp_path,
        cloud=cloud,
        access=Access(users_file=file),
        listen=(Listen(address="127.0.0.1:0", access="users"),),
        instance=tuple(Instance(id=one, alias=f"web-{n}") for n, one in enumerate(ids, 1)),
        rule=(
            Rule(users=("pat",), instances=("web-2",), role="control"),
            Rule(users=("ann",), instances=("*",), role="control"),
        ),
    ) as setup:

        async def ask(user: str) -> tuple[int, str]:
            headers = {"Authorization": f"Bearer {tokens[user]}"}
            path = f"{setup.base}/api/v1/consoles/dup/admission"
            async with setup.http.get(path, headers=headers) as answer:
                return answer.status, await answer.text()

        status, text = await ask("pat")
        assert status == 200
        assert ids[1] in text
        status, text = await ask("ann")
        assert status == 404
        assert "2 instances have this name: name one by its id" in text


async def test_admission_at_the_daemons_limits(tmp_path: Path) -> None:
    """429 with Retry-After and a word, for viewers as for consoles."""
    instances = (
        SimulatedInstance(),
        SimulatedInstance(instance_id="i-bp1demo0000000000002", name="other"),
    )
    cloud = SimulatorSettings(instances=instances, animated=False)
    limits = Limits(max_viewers=1, max_consoles=1)
    async with running(tmp_path, cloud=cloud, limits=limits, access="token") as setup:
        owner = owner_client(setup)
        await owner.viewer()
        for name, word in (("demo", "too-many-viewers"), ("other", "too-many-consoles")):
            answer = await owner.ask(f"/api/v1/consoles/{name}/admission", owner.bearer)
            assert (answer.status, answer.word) == (429, word)
            assert int(answer.headers["retry-after"]) == answer.json["error"]["retry_after_s"] > 0
            assert await owner.refused(f"/websockify/{name}", bearer=True) == 429


async def test_log_in_by_token(owner: OwnerClient) -> None:
    """The token for a cookie that scripts can't read and other sites don't send."""
    answer = await owner.post(SESSION, {"token": owner.token}, owner.origin)
    assert (answer.status, answer.body) == (204, b"")
    (cookie,) = answer.cookies
    name_value, *attributes = cookie.split("; ")
    assert {a.lower() for a in attributes} == {
        "httponly",
        "max-age=43200",
        "path=/",
        "samesite=strict",
    }
    name, _, value = name_value.partition("=")
    assert name == owner.cookie_name
    assert owner.token not in value
    who = await owner.ask("/api/v1/instances", f"Cookie: {name_value}")
    assert (who.json["user"], who.json["session"]) == ("owner", True)


WRONG_LOG_INS: tuple[tuple[object, int, str], ...] = (
    ({"token": "wrong"}, 401, "wrong-token"),
    ({"token": ""}, 401, "wrong-token"),
    ({"token": "😀"}, 401, "wrong-token"),
    ({"ticket": "wrong"}, 401, "used-ticket"),
    ({"token": 1}, 400, "bad-json"),
    ({"token": None, "ticket": ["x"]}, 400, "bad-json"),
    ({}, 400, "bad-json"),
    ([], 400, "bad-json"),
    (None, 400, "bad-json"),
)


async def test_log_ins_that_fail(owner: OwnerClient) -> None:
    """No cookie, and the reason in a word."""
    for body, status, word in WRONG_LOG_INS:
        answer = await owner.post(SESSION, body, owner.origin)
        assert (answer.status, answer.word) == (status, word), body
        assert answer.cookies == []


async def test_bodies_that_are_no_json(owner: OwnerClient) -> None:
    """400, also for nesting that would exhaust a parser; no fault is logged."""
    for content in (b"", b"{", b"\xff", b"[" * 16_000, b'{"a":' * 3000):
        answer = await owner.ask(SESSION, JSON, method="POST", body=content)
        assert (answer.status, answer.word) == (400, "bad-json"), content
    assert not [e for e in owner.setup.events if e["level"] == "error"]


async def test_forms_of_other_sites_are_not_json(owner: OwnerClient) -> None:
    """415: a page elsewhere can send a form without asking, but not JSON."""
    content = msgspec.json.encode({"token": owner.token})
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        answer = await owner.ask(SESSION, f"Content-Type: {kind}", method="POST", body=content)
        assert (answer.status, answer.word) == (415, "not-json")
        assert answer.cookies == []
    assert (await owner.ask(SESSION, method="POST", body=content)).status == 415


async def test_bodies_that_are_too_large(owner: OwnerClient) -> None:
    """413, whatever the length says; what would be large once it is unpacked isn't unpacked."""
    answer = await owner.post(SESSION, {"token": "x" * 20_000})
    assert (answer.status, answer.word) == (413, "too-large")
    bomb = gzip.compress(bytes(10_000_000))
    packed = await owner.ask(SESSION, JSON, "Content-Encoding: gzip", method="POST", body=bomb)
    assert packed.status == 415
    chunk = b"5000\r\n" + b"x" * 0x5000 + b"\r\n0\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", owner.port)
    head = f"POST {SESSION} HTTP/1.1\r\nHost: localhost\r\n{JSON}\r\nTransfer-Encoding: chunked"
    writer.write(f"{head}\r\n\r\n".encode() + chunk)
    assert b" 413 " in await asyncio.wait_for(reader.readline(), 10)
    writer.close()


async def test_bodies_that_never_come(owner: OwnerClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """408: a client that stops in the middle doesn't hold its connection for ever."""
    monkeypatch.setattr("vncproxy.web.answers.BODY_TIMEOUT_S", 0.05)
    head = f"POST {SESSION} HTTP/1.1\r\nHost: localhost\r\n{JSON}\r\nContent-Length: 9\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", owner.port)
    writer.write(f"{head}\r\n{{".encode())
    assert b" 408 " in await asyncio.wait_for(reader.readline(), 10)
    writer.close()


async def test_log_out_is_for_good(owner: OwnerClient) -> None:
    """The cookie is taken back, and doesn't open anything any more; another log-in stays."""
    cookie, other = await owner.log_in(), await owner.log_in()
    answer = await owner.ask(SESSION, cookie, owner.origin, method="DELETE")
    assert answer.status == 204
    (gone,) = answer.cookies
    assert "max-age=0" in gone.lower() and gone.startswith("vncproxy-")
    assert (await owner.ask("/api/v1/instances", cookie)).status == 401
    assert (await owner.ask("/api/v1/instances", other)).status == 200
    assert (await owner.ask(SESSION, method="DELETE")).status == 204


async def test_log_out_ends_what_the_log_in_opened(owner: OwnerClient) -> None:
    """The console of another tab, too, and nothing of another log-in; a ticket is void, too."""
    cookie, other = await owner.log_in(), await owner.log_in()
    tickets = [(await owner.admission("", one))["ticket"] for one in (cookie, cookie, other)]

    async def opened(path: str, ticket: str) -> aiohttp.ClientWebSocketResponse:
        return await owner.setup.http.ws_connect(
            f"{owner.setup.base}/{path}/demo?ticket={ticket}", origin=owner.setup.base
        )

    screen, channel = [await opened(path, tickets[0]) for path in ("websockify", "control")]
    stays = await opened("websockify", tickets[2])
    async with asyncio.timeout(60):
        for one in (screen, stays):
            assert await one.receive_bytes() == b"RFB 003.008\n"
        assert (await owner.ask(SESSION, cookie, owner.origin, method="DELETE")).status == 204
        messages = [message async for message in channel]
        assert "You logged out." in "".join(message.data for message in messages)
        async for _ in screen:
            pass
    assert (screen.close_code, channel.close_code) == (4403, 4403)
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await opened("websockify", tickets[1])
    assert refusal.value.status == 401
    assert not stays.closed
    await stays.close()


async def test_the_page_closes_its_control_channel_too(owner: OwnerClient) -> None:
    """The daemon doesn't cut the connection before the page's own close frame."""
    cookie = await owner.log_in()
    ticket = (await owner.admission("", cookie))["ticket"]
    screen, channel = [
        await owner.setup.http.ws_connect(
            f"{owner.setup.base}/{path}/demo?ticket={ticket}",
            origin=owner.setup.base,
            autoclose=False,
        )
        for path in ("websockify", "control")
    ]
    assert await screen.receive_bytes() == b"RFB 003.008\n"
    await owner.ask(SESSION, cookie, owner.origin, method="DELETE")
    async with asyncio.timeout(60):
        while (message := await channel.receive()).type is not aiohttp.WSMsgType.CLOSE:
            pass
        assert message.data == 4403
        for _ in range(3):
            await owner.ask(SESSION, "", owner.origin)
        assert channel.get_extra_info("socket") is not None, "still connected"
        await channel.close()
        await screen.close()


async def test_cookies_over_a_restart(tmp_path: Path) -> None:
    """A log-in goes on after a restart, a log-out too; another token ends them."""
    async with running(tmp_path, access="token") as setup:
        owner = owner_client(setup)
        kept, ended = await owner.log_in(), await owner.log_in()
        await owner.ask(SESSION, ended, method="DELETE")
    async with running(tmp_path, access="token") as setup:
        owner = owner_client(setup)
        assert (await owner.ask("/api/v1/instances", kept)).status == 200
        assert (await owner.ask("/api/v1/instances", ended)).status == 401
    (tmp_path / "state" / "token").unlink()
    async with running(tmp_path, access="token") as setup:
        assert (await owner_client(setup).ask("/api/v1/instances", kept)).status == 401


async def test_a_log_in_ends_by_itself(tmp_path: Path) -> None:
    """After session_lifetime the cookie is no good, even if a browser still sends it."""
    async with running(tmp_path, access=Access(session_lifetime=60.0)) as setup:
        owner = owner_client(setup)
        cookie = await owner.log_in()
        assert (await owner.ask("/api/v1/instances", cookie)).status == 200
        setup.daemon.components.services.sessions._clock = lambda: time.time() + 60.0
        assert (await owner.ask("/api/v1/instances", cookie)).status == 401


async def test_links_with_a_ticket(owner: OwnerClient) -> None:
    """`vncproxy url` gets a link, which makes a cookie once and leads to the console."""
    answer = (await owner.post("/api/v1/tickets", {"instance": "demo"}, owner.bearer)).json
    assert answer["path"] == f"/enter#{answer['ticket']}"
    assert answer["valid_s"] == 60
    entered = await owner.post(SESSION, {"ticket": answer["ticket"]}, owner.origin)
    assert (entered.status, entered.json) == (200, {"next": "/console/demo"})
    cookie = f"Cookie: {entered.cookies[0].partition(';')[0]}"
    assert (await owner.ask("/api/v1/instances", cookie)).json["user"] == "owner"
    again = await owner.post(SESSION, {"ticket": answer["ticket"]}, owner.origin)
    assert (again.status, again.word) == (401, "used-ticket")


async def test_links_to_the_list(owner: OwnerClient) -> None:
    """Without an instance the link leads to the list; one that isn't there is 404."""
    ticket = (await owner.post("/api/v1/tickets", {}, owner.bearer)).json["ticket"]
    assert (await owner.post(SESSION, {"ticket": ticket})).json == {"next": "/"}
    names: list[object] = ["unknown", 1, [], "//evil.example", "x" * 1000]
    for name in names:
        answer = await owner.post("/api/v1/tickets", {"instance": name}, owner.bearer)
        assert (answer.status, answer.word) == (404, "unknown-instance")


async def test_tickets_of_the_kinds_are_not_exchangeable(owner: OwnerClient) -> None:
    """A page's ticket makes no cookie; a link's opens no WebSocket."""
    page = (await owner.admission())["ticket"]
    assert (await owner.post(SESSION, {"ticket": page})).status == 401
    link = (await owner.post("/api/v1/tickets", {"instance": "demo"}, owner.bearer)).json["ticket"]
    assert await owner.refused(f"/websockify/demo?ticket={link}", origin=True) == 401


async def test_an_open_door_asks_for_nothing(tmp_path: Path) -> None:
    """Everybody is "anyone" there; Host and Origin are checked all the same."""
    async with running(tmp_path) as setup:
        owner = owner_client(setup)
        answer = (await owner.ask("/api/v1/instances")).json
        assert (answer["user"], answer["session"]) == ("anyone", False)
        assert (await owner.ask("/metrics")).status == 200
        assert (await owner.ask("/api/v1/instances", "Origin: http://evil.example")).status == 403
        assert (await owner.ask("/api/v1/instances", host="evil.example")).status == 421


async def test_a_cookie_counts_at_every_door_of_its_kind(tmp_path: Path) -> None:
    """Two doors of one daemon share the log-in."""
    doors = tuple(Listen(name=name, address="127.0.0.1:0", access="token") for name in "ab")
    async with running(tmp_path, listen=doors) as setup:
        owner = owner_client(setup)
        cookie = await owner.log_in()
        setup.daemon.servers.reverse()
        assert (await owner.ask("/api/v1/instances", cookie)).json["session"]


async def test_what_an_open_door_gives_counts_at_no_other(tmp_path: Path) -> None:
    """Neither link, cookie nor page's ticket of an open door lets anybody in at a token door."""
    doors = (
        Listen(name="inside", address="127.0.0.1:0", access="open"),
        Listen(name="outside", address="127.0.0.1:0", access="token"),
    )
    async with running(tmp_path, listen=doors) as setup:
        owner = owner_client(setup)
        link = (await owner.post("/api/v1/tickets", {"instance": "demo"})).json["ticket"]
        page = (await owner.admission())["ticket"]
        other = (await owner.post("/api/v1/tickets", {"instance": "demo"})).json["ticket"]
        entered = await owner.post(SESSION, {"ticket": other})
        cookie = f"Cookie: {entered.cookies[0].partition(';')[0]}"
        setup.daemon.servers.reverse()
        refused = await owner.post(SESSION, {"ticket": link})
        assert (refused.status, refused.word) == (401, "used-ticket")
        assert (await owner.ask("/api/v1/instances", cookie)).status == 401
        assert await owner.refused(f"/websockify/demo?ticket={page}", origin=True) == 401


NAMES = [f"many-{number}" for number in range(8)]
MANY = SimulatorSettings(
    animated=False,
    width=64,
    height=48,
    instances=tuple(SimulatedInstance(f"i-bp1many{n}", name) for n, name in enumerate(NAMES)),
)


async def test_a_list_is_not_made_in_one_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of consoles and of instances, so many rows in each turn of the event loop."""
    most: Counter[str] = Counter()
    turn: Counter[str] = Counter()

    def count(name: str) -> None:
        real = getattr(api, name)

        def counted(*args: object) -> object:
            if not turn:
                asyncio.get_running_loop().call_soon(turn.clear)
            turn[name] += 1
            most[name] = max(most[name], turn[name])
            return real(*args)

        monkeypatch.setattr(api, name, counted)

    monkeypatch.setattr(api, "_ROWS_PER_TURN", 3)
    count("_console_row")
    count("_row")
    async with running(tmp_path, cloud=MANY) as setup:
        for name in NAMES:
            setup.alias = name
            await setup.viewer()
        for what in ("consoles", "instances"):
            async with setup.http.get(f"{setup.base}/api/v1/{what}") as answer:
                rows = (await answer.json())[what]
            assert sorted(row["alias"] for row in rows) == NAMES
    assert most == {"_console_row": 3, "_row": 3}


async def test_the_list_asks_the_ledger_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many consoles are open; /admin and `consoles --watch` ask for the same list."""
    asked: list[int] = []
    usages_of = SqliteLedger.usages

    async def count(ledger: SqliteLedger, keys: Collection[str]) -> dict[str, Usage]:
        asked.append(len(keys))
        return await usages_of(ledger, keys)

    monkeypatch.setattr(SqliteLedger, "usages", count)
    async with running(tmp_path, cloud=MANY) as setup:
        for name in NAMES:
            setup.alias = name
            await setup.viewer()
        async with setup.http.get(f"{setup.base}/api/v1/consoles") as answer:
            rows = (await answer.json())["consoles"]
    assert sorted(row["alias"] for row in rows) == NAMES
    assert all(row["budget"]["used"] == 1 for row in rows)
    assert asked == [len(NAMES)]
