"""Alive, ready, and the numbers."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.owner_client import OwnerClient, owner_client
from tests.setup import running, until
from vncproxy.access.login_sessions import known_daemon_id
from vncproxy.config.model import Listen, Metrics
from vncproxy.errors import LedgerError
from vncproxy.throttle.sqlite_ledger import SqliteLedger

pytestmark = pytest.mark.sockets


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample by its name and labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_alive(owner: OwnerClient) -> None:
    """Who asks learns that the daemon lives, and nothing else."""
    answer = await owner.ask("/healthz")
    assert (answer.status, answer.body) == (200, b"ok\n")
    assert answer.headers["x-vncproxy-daemon"] == known_daemon_id(owner.setup.daemon.state)
    assert (await owner.ask("/healthz", "Authorization: Bearer wrong")).status == 200


async def test_ready(owner: OwnerClient) -> None:
    """200 as long as a console could be opened."""
    assert (await owner.ask("/readyz")).json == {"ready": True}
    assert (await owner.ask("/readyz", owner.bearer)).json == {"ready": True, "problems": []}


async def test_not_ready(owner: OwnerClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """503; the reasons are for those who have an identity."""

    async def fails(self: SqliteLedger) -> None:
        raise LedgerError("the ledger can't be written: planted")

    monkeypatch.setattr(SqliteLedger, "check_writable", fails)
    owner.setup.daemon.components.readiness.check_soon()
    await until(owner.setup.daemon.components.readiness.problems, "another look")
    for proof in ((), ("Authorization: Bearer wrong",), ("Cookie: a=b",)):
        answer = await owner.ask("/readyz", *proof)
        assert (answer.status, answer.json) == (503, {"ready": False})
    ready = await owner.ask("/readyz", owner.bearer)
    assert ready.status == 503
    assert ready.json["problems"] == ["the ledger can't be written: planted"]
    assert (await owner.ask("/readyz", await owner.log_in())).json["problems"]
    assert (await owner.ask("/healthz")).status == 200


async def test_metrics(owner: OwnerClient) -> None:
    """Prometheus can read them; they count, and name neither instance nor user nor secret."""
    viewer = await owner.viewer()
    await until(lambda: viewer.decoder.updates, "a picture")
    assert (await owner.ask("/metrics")).status == 401
    answer = await owner.ask("/metrics", owner.bearer)
    assert answer.headers["content-type"].startswith("text/plain; version=")
    text = answer.body.decode()
    found = samples(text)
    assert found["vncproxy_viewers", ()] == 1
    assert found["vncproxy_consoles", ()] == 1
    assert found["vncproxy_dials_total", ()] == 1
    called = (("action", "DescribeInstanceVncUrl"), ("code", "ok"))
    assert found["vncproxy_api_calls_total", called] == 1
    assert found["vncproxy_refusals_total", (("word", "log-in"),)] == 1
    for secret in ("demo", "i-bp1", "owner", owner.token):
        assert secret not in text
    await viewer.close()
    await until(
        lambda: any(e["event"] == "viewer.closed" for e in owner.setup.events), "the viewer's end"
    )
    found = samples((await owner.ask("/metrics", owner.bearer)).body.decode())
    assert found["vncproxy_viewers", ()] == 0
    assert found["vncproxy_viewer_closes_total", (("code", "1000"),)] == 1


async def test_open_metrics(tmp_path: Path) -> None:
    """With [metrics] access = "open" a collector needs no token; the rest still does."""
    door = Listen(address="127.0.0.1:0", access="token")
    async with running(tmp_path, listen=(door,), metrics=Metrics(access="open")) as setup:
        owner = owner_client(setup)
        assert (await owner.ask("/metrics")).status == 200
        assert (await owner.ask("/metrics", host="evil.example")).status == 421
        assert (await owner.ask("/api/v1/consoles")).status == 401
