"""What a console tells pages and the API about itself."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest

from tests.unit.console.fakes import until
from tests.unit.console.surroundings import INSTANCE, Surroundings
from vncproxy.aliyun.errors import refused
from vncproxy.console.lifecycle import State
from vncproxy.errors import CloudError, CloudErrorKind, UpstreamLost, VncPasswordError
from vncproxy.languages.catalogue import catalogue
from vncproxy.observe.times import utc_text
from vncproxy.throttle.reconnect_budget import Budget, Usage
from vncproxy.web.console_json import budget_of, details_of, state_of, summary_of, viewers_of


async def test_a_console_that_nobody_opened(around: Surroundings) -> None:
    """Everything has a value that a page can show."""
    console = await around.console()
    state = state_of(console)
    assert (state["type"], state["state"], state["text"]) == ("state", "idle", "Getting ready.")
    assert (state["screen"], state["error"], state["wait_s"]) == (None, None, None)
    assert state["encrypted"] is None
    assert state["saved"] == {"dials_avoided": 0, "losses_survived": 0}
    summary = summary_of(console)
    assert (summary["instance"], summary["alias"], summary["region"]) == (
        INSTANCE.id,
        INSTANCE.alias,
        INSTANCE.region,
    )
    assert (summary["link_age_s"], summary["controller"], summary["viewers"]) == (None, None, [])


async def test_a_console_that_runs(around: Surroundings) -> None:
    """Its screen, its keepalive in words, who is on and who controls."""
    console = await around.console()
    ann = around.join(console)
    await until(lambda: console.state is State.RUNNING)
    bob = around.join(console, user="bob")
    console.control.ask(bob.id)
    state = state_of(console)
    assert (state["state"], state["text"]) == ("running", "Connected.")
    assert state["screen"] == {"width": 64, "height": 48, "name": "guest"}
    assert state["keepalive"]["kind"] == "any"
    # The gateway's address is ws://, which is no secret to keep from who types.
    assert state["encrypted"] is False
    assert state["keepalive"]["why"] == console.supervisor.learning.keepalive.why
    assert state["saved"]["dials_avoided"] == 1
    rows = viewers_of(console)
    assert [(row["id"], row["user"], row["role"], row["asks"]) for row in rows] == [
        (ann.id, "ann", "control", False),
        (bob.id, "bob", "watch", True),
    ]
    assert all(row["may_control"] for row in rows)
    assert rows[0]["since"] == utc_text(ann.since)
    summary = summary_of(console)
    assert summary["controller"] == ann.id
    assert summary["viewers"] == rows
    assert 0 <= summary["link_age_s"] < 60


USAGE = Usage(used=5, limit=29, window_s=61.0, next_free_s=0.0)


async def test_what_administrators_see_besides(around: Surroundings) -> None:
    """By what each viewer was let in and what it does, what flows, and what the budget has left."""
    console = await around.console()
    ann = around.join(console)
    await until(lambda: console.state is State.RUNNING)
    around.transport.deliver(bytes(100))
    at_s = time.monotonic()
    details = details_of(console, at_s)
    assert details["text"] == "Connected."
    assert (details["wait_s"], details["error"], details["opaque"]) == (None, None, False)
    assert details["keepalive_why"] == console.supervisor.learning.keepalive.why
    assert details["recorded"] is False
    assert (details["link"], details["links"]) == (console.supervisor.links_since(1)[0], 1)
    assert details["from_cloud"]["bytes"] == console.supervisor.traffic.bytes_in > 100
    assert details["from_cloud"]["bytes_per_s"] > 0
    assert details["to_cloud"]["bytes"] == console.supervisor.traffic.bytes_out > 0
    assert budget_of(console.supervisor.budget_key, USAGE) == {
        "budget": {
            "used": 5,
            "limit": 29,
            "left": 24,
            "window_s": 61.0,
            "next_free_s": 0.0,
            "counts_for": "instance",
        },
        "budget_problem": None,
    }
    (row,) = details["viewers"]
    assert 0 <= row["age_s"] <= details["age_s"] + 0.2 < 60
    assert row.items() >= viewers_of(console)[0].items(), "what is there already stays as it is"
    assert (row["door"], row["rule"], row["native"]) == ("local", None, False)
    assert (row["record"], row["recorded"], row["may_control"]) == (False, False, True)
    assert row["input_age_s"] is None
    ann.touched()
    assert 0 <= details_of(console, at_s)["viewers"][0]["input_age_s"] < 60
    assert row["to_viewer"]["bytes"] == ann.bytes_out > 0
    assert row["from_viewer"] == {"bytes": 0, "bytes_per_s": 0}


async def test_a_budget_that_is_used_up_or_unknown(around: Surroundings) -> None:
    """More may be promised than there is, never less than nothing left; a fault is reported."""
    console = await around.console()
    around.ledger.budget.now = Budget(by_account=True)
    key = console.supervisor.budget_key
    full = budget_of(key, replace(USAGE, used=31, next_free_s=12.34))
    assert (full["budget"]["left"], full["budget"]["next_free_s"]) == (0, 12.3)
    assert full["budget"]["counts_for"] == "account"
    unknown = budget_of(key, "the disk is full")
    assert (unknown["budget"], unknown["budget_problem"]) == (None, "the disk is full")


async def test_a_console_without_a_link_yet(around: Surroundings) -> None:
    """It has none to name."""
    details = details_of(await around.console(), time.monotonic())
    assert (details["link"], details["links"]) == (None, 0)


async def test_it_is_json_and_holds_no_secret(around: Surroundings) -> None:
    """Neither the VncUrl nor the password."""
    console = await around.console(password="geheim77")
    around.join(console)
    await until(lambda: console.state is State.RUNNING)
    details = details_of(console, time.monotonic())
    text = json.dumps([state_of(console), viewers_of(console), summary_of(console), details])
    for secret in ("geheim77", "gateway.test", "websockify", "token"):
        assert secret not in text


@pytest.mark.parametrize("state", list(State))
async def test_every_state_has_words(around: Surroundings, state: State) -> None:
    """A page is never left without a sentence."""
    console = await around.console()
    console.supervisor.life.state = state
    assert state_of(console)["text"].endswith(".")
    assert state_of(console)["state"] == summary_of(console)["state"] == state.value
    console.supervisor.life.state = State.IDLE


async def test_a_wait_is_counted_down(around: Surroundings) -> None:
    """In seconds, never below 0; without a wait the permit is only being taken."""
    console = await around.console()
    console.supervisor.life.state = State.WAITING_BUDGET
    taking = state_of(console)["text"]
    console.supervisor.wait_until = time.time() + 30
    assert 29 < state_of(console)["wait_s"] <= 30
    assert state_of(console)["text"] != taking
    assert "30" not in state_of(console)["text"], "how many is a setting"
    console.supervisor.wait_until = time.time() - 5
    assert state_of(console)["wait_s"] == 0
    console.supervisor.life.state = State.IDLE


async def test_a_failure_is_reported_in_words(around: Surroundings) -> None:
    """With the cloud's code, if there is one and it is harmless."""
    console = await around.console()
    console.supervisor.failure = UpstreamLost("the connection to the cloud was lost")
    nothing = {"code": None, "action": None, "request_id": None, "password_wrong": False}
    assert state_of(console)["error"] == nothing | {"text": "the connection to the cloud was lost"}
    for code, shown in (("IncorrectInstanceStatus", "IncorrectInstanceStatus"), ("<b>", None)):
        console.supervisor.failure = CloudError("it is stopped", CloudErrorKind.WAITS, code=code)
        assert state_of(console)["error"] == nothing | {"code": shown, "text": "it is stopped"}
    console.supervisor.failure = CloudError(
        "no", CloudErrorKind.PERMANENT, request_id="4C467B38-3910", action="DescribeInstanceVncUrl"
    )
    told = state_of(console)["error"]
    assert (told["action"], told["request_id"]) == ("DescribeInstanceVncUrl", "4C467B38-3910")
    console.supervisor.failure = refused(
        400, "Brand.New", action="DescribeInstanceVncUrl", request_id="4C467B38-3910"
    )
    text = "The cloud refused ecs:DescribeInstanceVncUrl (Brand.New)."
    assert state_of(console)["error"]["text"] == text
    assert catalogue("zh").said(text) == "阿里云拒绝了 ecs:DescribeInstanceVncUrl (Brand.New)。"
    for wrong in (False, True):
        console.supervisor.failure = VncPasswordError("the VNC password", wrong=wrong)
        assert state_of(console)["error"]["password_wrong"] is wrong


async def test_what_the_page_needs_for_its_words(around: Surroundings) -> None:
    """How many connections a minute has, what they count for, and how long a viewer waits."""
    state = state_of(await around.console())
    assert state["budget"] == {"limit": 29, "counts_for": "instance"}
    assert (state["max_wait_s"], state["may_hurry"]) == (around.parts.limits.max_wait, False)
