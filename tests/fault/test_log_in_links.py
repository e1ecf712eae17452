"""Links that log in as somebody else: nobody may be made to act in another's name unasked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from tests.fault.test_identity import People, people_of
from tests.unit.web.raw_http import Answer, ask

SESSION = "/api/v1/session"
JSON = "Content-Type: application/json"


async def post(people: People, target: str, body: dict[str, Any], *headers: str) -> Answer:
    """JSON to the users' door."""
    port = people.setup.daemon.servers[0].port
    content = msgspec.json.encode(body)
    return await ask(port, target, JSON, *headers, method="POST", body=content)


async def link_of(people: People, user: str) -> str:
    """The ticket of a link that a user made."""
    bearer = f"Authorization: Bearer {people.tokens[user]}"
    return str((await post(people, "/api/v1/tickets", {}, bearer)).json["ticket"])


async def test_another_s_link_is_followed_only_if_that_is_meant(tmp_path: Path) -> None:
    """The ticket isn't used up by asking; one's own link just works."""
    async with people_of(tmp_path) as people:
        ann = (await people.log_in("ann")).cookies[0].partition(";")[0]
        ticket = await link_of(people, "wat")
        refusal = await post(people, SESSION, {"ticket": ticket}, f"Cookie: {ann}")
        assert (refusal.status, refusal.word) == (409, "other-user")
        assert "as wat" in str(refusal.json)
        assert "as ann" in str(refusal.json)
        still = await people.ask("/api/v1/instances", f"Cookie: {ann}")
        assert still.json["user"] == "ann"
        meant = {"ticket": ticket, "replace": True}
        assert (await post(people, SESSION, meant, f"Cookie: {ann}")).status == 200
        assert (await post(people, SESSION, meant, f"Cookie: {ann}")).status == 401
        own = {"ticket": await link_of(people, "ann")}
        assert (await post(people, SESSION, own, f"Cookie: {ann}")).status == 200


async def test_a_link_without_a_log_in_names_its_user(tmp_path: Path) -> None:
    """Where there are several users it is asked whether that is who opens it."""
    async with people_of(tmp_path) as people:
        link = {"ticket": await link_of(people, "wat")}
        asked = await post(people, SESSION, link)
        assert (asked.status, asked.word) == (409, "whose-link")
        assert "as wat" in str(asked.json)
        assert not asked.cookies
        assert (await post(people, SESSION, link | {"replace": True})).status == 200
