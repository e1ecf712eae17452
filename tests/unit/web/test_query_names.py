"""Queries that have something else than what is read are refused, with what there is."""

from __future__ import annotations

import pytest
from multidict import MultiDict

from tests.owner_client import OwnerClient
from vncproxy.errors import AccessError
from vncproxy.web.query_names import check_query, one_of

NAMES = ("user", "wake")


@pytest.mark.parametrize(
    ("query", "text"),
    [
        (
            [("usr", "ann")],
            "The query has a parameter that this address doesn't know. It knows user, wake.",
        ),
        ([("user", "ann"), ("user", "bob")], "user is there more than once."),
        ([("wake", "yes")], "wake is 1, or 0."),
    ],
)
def test_what_nobody_reads(query: list[tuple[str, str]], text: str) -> None:
    """In words that name what there is."""
    with pytest.raises(AccessError) as refused:
        check_query(MultiDict(query), NAMES)
    assert (refused.value.status, refused.value.word) == (400, "bad-query")
    assert refused.value.public_text == text


def test_what_is_read() -> None:
    check_query(MultiDict([("user", "="), ("wake", "0")]), NAMES)
    check_query(MultiDict(), ())
    assert one_of({}, "format", ("json", "csv")) == "json"
    assert one_of({"format": "csv"}, "format", ("json", "csv")) == "csv"
    with pytest.raises(AccessError, match=r"^format is json or csv\.$"):
        one_of({"format": "xml"}, "format", ("json", "csv"))


ROUTES = {
    "instances?words=x": "It knows none: leave out all from the ? on.",
    "consoles?watch=1": "It knows none: leave out all from the ? on.",
    "consoles/demo/admission?viewonly=1": "It knows view, take.",
    "instances/demo/screenshot?wkae=1": "It knows wake, thumbnail.",
    "instances/demo/boot-log?tail=1": "It knows follow.",
    "sessions?form=csv": "It knows user, instance, since, until, limit, before, format.",
    "sessions?format=xml": "format is json or csv.",
    "recordings?format=csv": "It knows user, instance, since, until, limit, before.",
}


@pytest.mark.sockets
async def test_every_route_of_the_api(owner: OwnerClient) -> None:
    for path, told in ROUTES.items():
        answer = await owner.ask(f"/api/v1/{path}", owner.bearer)
        assert (answer.status, answer.word) == (400, "bad-query"), path
        assert told in answer.json["error"]["text"]
    for path in ("sessions?format=json&limit=5", "consoles/demo/admission?view=1"):
        assert (await owner.ask(f"/api/v1/{path}", owner.bearer)).status == 200, path


@pytest.mark.sockets
async def test_a_stranger_is_not_told(owner: OwnerClient) -> None:
    """Who may not ask is refused for that; who logs in is a stranger yet."""
    for path in ROUTES:
        assert (await owner.ask(f"/api/v1/{path}")).status == 401, path
    answer = await owner.ask("/api/v1/session?x=1", method="POST")
    assert (answer.status, answer.word) == (400, "bad-query")


@pytest.mark.sockets
@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/console/demo?viev=1", "It knows view, take, passed."),
        ("/console/demo?view=yes", "view is 1, or 0."),
        ("/?words=web", "It knows none: leave out all from the ? on."),
        ("/admin?user=ann", "It knows none: leave out all from the ? on."),
        ("/websockify/demo?viev=1", "It knows ticket, view, take, ahead."),
        ("/control/demo?view=1&view=0", "view is there more than once."),
    ],
)
async def test_pages_and_websockets(owner: OwnerClient, path: str, told: str) -> None:
    """Who misspelt that they only watch would have control."""
    answer = await owner.ask(path, owner.bearer)
    assert answer.status == 400
    assert told in answer.body.decode()


@pytest.mark.sockets
async def test_what_pages_and_probes_add(owner: OwnerClient) -> None:
    """Another daemon of the cluster passes a page on; a scraper asks as it is configured to."""
    for path in (
        "/console/demo?view=1&passed=1",
        "/healthz?from=haproxy",
        "/metrics?collect[]=all",
        "/static/icon.svg?1",
    ):
        assert (await owner.ask(path, owner.bearer)).status == 200, path
