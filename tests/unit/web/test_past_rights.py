"""Whose past somebody may see."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.web.past_site import GONE, past_site
from vncproxy.config.model import Rule
from vncproxy.simulator.settings import DEMO_INSTANCE_ID

pytestmark = pytest.mark.sockets


@pytest.mark.parametrize(
    ("instances", "seen"),
    [
        (("*",), {DEMO_INSTANCE_ID, GONE}),
        (("demo",), {DEMO_INSTANCE_ID}),
        ((GONE,), {GONE}),
        (("region:cn-hangzhou",), {DEMO_INSTANCE_ID, GONE}),
        (("alias-i-gone", "demo"), {DEMO_INSTANCE_ID}),
    ],
)
async def test_by_what_the_rules_name(
    tmp_path: Path, instances: tuple[str, ...], seen: set[str]
) -> None:
    """An alias counts only while the instance has it."""
    rule = (Rule(users=("ann",), instances=instances, role="admin"),)
    async with past_site(tmp_path, rule=rule) as site:
        for what in ("sessions", "recordings"):
            rows = await site.rows(what, user="ann")
            assert {row["instance"] for row in rows} == seen


async def test_the_name_in_the_cloud_of_what_it_still_shows(tmp_path: Path) -> None:
    """As far as it was asked."""
    async with past_site(tmp_path) as site:
        assert (await site.get("instances")).status == 200
        for what in ("sessions", "recordings"):
            names = {row["instance"]: row["instance_name"] for row in await site.rows(what)}
            assert names == {DEMO_INSTANCE_ID: "demo", GONE: None}


async def test_a_rule_that_comes_first_decides(tmp_path: Path) -> None:
    """Who may only watch one of them doesn't see its past."""
    rule = (
        Rule(users=("ann",), instances=("demo",), role="watch"),
        Rule(users=("ann",), instances=("*",), role="admin"),
    )
    async with past_site(tmp_path, rule=rule) as site:
        assert {row["instance"] for row in await site.rows("sessions", user="ann")} == {GONE}
        assert (await site.get(f"recordings/{site.own}", "ann")).status == 404


async def test_an_administrator_of_what_nobody_was_on_sees_an_empty_list(tmp_path: Path) -> None:
    """And isn't told that this is for others."""
    rule = (
        Rule(users=("ann",), instances=("demo",), role="admin"),
        Rule(users=("adm",), instances=("*",), role="admin"),
    )
    async with past_site(tmp_path, rule=rule) as site:
        assert await site.rows("sessions", "?user=nobody", user="ann") == []
