"""Every state of the pages in Chromium: what they say, what comes next, what they never show."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.async_api import expect

from tests.real.console_tab import Tab
from tests.real.peers.browser import Browser
from tests.real.rfb_client import PIXELS_16
from tests.setup import Running, running, set_encodings, until
from vncproxy.config.model import Aliyun, Instance, Limits, Listen
from vncproxy.console.registry import Registry
from vncproxy.errors import CloseCode, CloseReason, RecordingError, Side
from vncproxy.languages.language import Language
from vncproxy.simulator import Simulator
from vncproxy.simulator.faults import ANY, ApiFault, GatewayFault, GatewayFaultKind
from vncproxy.simulator.settings import DEMO_INSTANCE_ID, SimulatedInstance, SimulatorSettings
from vncproxy.web.assets import ASSETS, Asset, Assets

pytestmark = pytest.mark.asyncio(loop_scope="session")

STILL = SimulatorSettings(animated=False)
SCRIPTS = Path(__file__).resolve().parents[2] / "vncproxy" / "pages" / "js"
REFUSED = "status of 401"
GONE = "ERR_CONNECTION_REFUSED"
NOVNC_CLOSED = "Failed when connecting: Connection closed"
MANY = 1000
LONG_WAIT_S = 600.0
LEFT_BY_ITSELF = {
    "js/backoff.js": dict.fromkeys(("FIRST_S", "LONGEST_S", "PAUSE_MIN_S", "PAUSE_MAX_S"), 600),
    "js/twice.js": {"SURE_MS": 600_000},
}
BROKEN = 1006
"""Made by the browser itself."""


def close_codes() -> list[dict[str, Any]]:
    """The page's own list, JSON but for the calls of `t`; tests/unit/pages holds it to ours."""
    text = (SCRIPTS / "closecodes.js").read_text("utf-8")
    found = re.search(r"export const CLOSE_CODES = (\[.*?\n\]);", text, re.DOTALL)
    assert found
    codes: list[dict[str, Any]] = json.loads(re.sub(r'\bt\(("[^"]*")\)', r"\1", found[1]))
    return codes


def title_of(code: int) -> str:
    """The page's title for a close code."""
    return next(str(entry["title"]) for entry in close_codes() if entry["code"] == code)


async def shows(tab: Tab, setup: Running) -> None:
    """Wait until the page shows the built-in screen, every pixel."""

    async def truth() -> NDArray[np.uint8]:
        width, height = setup.cloud.screen_size()
        pixels = np.frombuffer(setup.cloud.framebuffer(), np.uint8)
        return pixels.reshape(height, width, 3)

    await tab.shows(truth)


@pytest.fixture
def no_second_thoughts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the pages leave by themselves after some seconds they leave after ten minutes.

    The bundles aren't made of the changed scripts, so pages load these one by one.
    """
    pages = tmp_path / "pages"
    shutil.copytree(SCRIPTS.parent, pages)
    for name, constants in LEFT_BY_ITSELF.items():
        script = pages / name
        text = script.read_text("utf-8")
        for constant, value in constants.items():
            text, count = re.subn(
                rf"(?m)^((?:export )?const {constant} =) [\d_.]+;", rf"\1 {value};", text
            )
            assert count == 1, constant
        script.write_text(text, "utf-8")
    changed = Assets(pages)
    assert not changed.bundled
    monkeypatch.setattr("vncproxy.web.pages.ASSETS", changed)


async def seconds_left(tab: Tab) -> int:
    """What the countdown says."""
    text = await tab.page.locator("#message-countdown").inner_text()
    found = re.fullmatch(r"Next try in (?:(\d+) min )?(\d+) s", text)
    assert found, text
    return 60 * int(found[1] or 0) + int(found[2])


async def counts_down(tab: Tab) -> int:
    """See the countdown lose seconds; the number that it began with."""
    await expect(tab.page.locator("#message-countdown")).to_have_text(re.compile(r"min|\d\d s"))
    first = await seconds_left(tab)
    await expect(tab.page.locator("#message-countdown")).not_to_have_text(
        await tab.page.locator("#message-countdown").inner_text()
    )
    assert first - 30 < await seconds_left(tab) < first
    return first


def kept(setup: Running) -> None:
    """No rule of the cloud was broken."""
    assert not setup.cloud.breaches


def token_of(setup: Running) -> str:
    """The owner's token."""
    return (setup.daemon.state / "token").read_text().strip()


async def kept_nowhere(tab: Tab, *secrets: str) -> None:
    """No secret is in the tab's addresses, what it stores, what the page holds or what it fetched.

    A viewer's ticket is in a WebSocket's address by contract; it is used up when it is there.
    """
    stored = await tab.page.evaluate(
        "JSON.stringify([localStorage, sessionStorage, document.cookie])"
    )
    places = [*await tab.addresses(), *tab.browser.requests, stored, await tab.page.content()]
    for secret in secrets:
        assert len(secret) >= 6
        assert not [place for place in places if secret in place]


async def test_the_list_asks_for_the_token_first(tab: Tab, tmp_path: Path) -> None:
    """A wrong token is refused; the right one shows what may be opened, its state, who is on."""
    tab.expected.append(REFUSED)
    settings = SimulatorSettings(
        animated=False,
        instances=(
            SimulatedInstance(name="web-1"),
            SimulatedInstance("i-bp1windows00000001", "erp", os_type="windows", os_name="Windows"),
            SimulatedInstance("i-bp1stopped00000001", "batch", status="Stopped"),
            SimulatedInstance("i-bp1starting0000001", "new-one", status="Starting"),
        ),
    )
    async with Simulator(settings) as cloud:
        aliyun = Aliyun(endpoint=cloud.endpoint, discover=True)
        async with running(
            tmp_path, cloud=cloud, access="token", aliyun=aliyun, instance=()
        ) as setup:
            setup.alias = DEMO_INSTANCE_ID
            await tab.open(setup.base)
            field = tab.page.get_by_label("Access token")
            await expect(field).to_be_focused()
            await tab.shoot("log-in")
            await field.fill("not-the-token")
            await tab.button("Log in").click()
            await expect(tab.page.get_by_role("alert").filter(has_text="token")).to_be_visible()
            await tab.shoot("log-in-wrong")
            await field.fill(token_of(setup))
            await tab.page.keyboard.press("Enter")
            rows = tab.page.get_by_role("listitem")
            await expect(rows).to_have_count(4)
            await expect(rows.filter(has_text="batch")).to_contain_text("Stopped")
            await expect(rows.filter(has_text="erp")).to_contain_text("Windows")
            bright = re.compile(r"\bprimary\b")
            await expect(rows.filter(has_text="batch").get_by_role("link")).not_to_have_class(
                bright
            )
            await expect(rows.filter(has_text="erp").get_by_role("link")).to_have_class(bright)
            await expect(rows.filter(has_text="web-1")).to_contain_text("Nobody is on")
            headers = {"Authorization": f"Bearer {token_of(setup)}"}
            viewer = await setup.connect(headers=headers)
            await viewer.begin()
            await tab.page.reload()
            await expect(rows.filter(has_text="web-1")).to_contain_text("On: owner")
            await tab.shoot("list")

            async with tab.page.context.expect_page() as opened:
                await tab.page.get_by_role("link", name="Open the console of erp").click()
            console = await opened.value
            await expect(console.locator("#place")).to_contain_text("Windows")
            await console.close()
            await kept_nowhere(tab, token_of(setup))
            await tab.button("Log out").click()
            await expect(tab.page.get_by_label("Access token")).to_be_visible()
            await tab.open("about:blank")


async def test_one_of_two_thousand_is_found(tab: Tab, tmp_path: Path) -> None:
    """By words, filters and favourites; only the rows in sight are built."""
    one = SimulatedInstance("i-bp1web0000000000007", "web-7", status="Stopped")
    settings = SimulatorSettings(
        animated=False,
        instances=(
            one,
            *(
                SimulatedInstance(f"i-bp1host{number:013}", f"host-{number}")
                for number in range(1999)
            ),
        ),
    )
    async with Simulator(settings) as cloud:
        aliyun = Aliyun(endpoint=cloud.endpoint, discover=True)
        gone = Instance(id="i-bp1gone000000000001", alias="gone")
        async with running(tmp_path, cloud=cloud, aliyun=aliyun, instance=(gone,)) as setup:
            await tab.open(setup.base)
            lead, rows = tab.page.locator("#lead"), tab.page.locator(".instance")
            await expect(lead).to_have_text("2,001 instances you may open")
            assert await rows.count() < 40
            row = rows.filter(has_text="i-bp1gone")
            await expect(row).to_contain_text("Unknown to the cloud")
            await expect(row.get_by_role("link")).not_to_have_class(re.compile("primary"))
            await tab.shoot("list-many", phone=True)
            await tab.page.evaluate("scrollTo(0, 1e9)")
            await expect(rows.last).to_contain_text("web-7")
            assert await rows.count() < 40
            await rows.last.get_by_role("button", name="Favourite: web-7").click()
            await tab.page.evaluate("scrollTo(0, 0)")
            await expect(rows.first).to_contain_text("web-7")

            await tab.page.keyboard.press("/")
            await expect(tab.page.get_by_role("searchbox")).to_be_focused()
            await tab.page.keyboard.type("HOST-77 hangzhou")
            await expect(lead).to_have_text("11 of 2,001 instances")
            await expect(rows.first).to_contain_text("host-77")
            await tab.shoot("list-found", phone=True)
            async with tab.page.context.expect_page() as opened:
                await tab.page.keyboard.press("Enter")
            console = await opened.value
            await expect(console.locator("#name")).to_have_text("host-77")
            await console.close()
            await tab.page.keyboard.press("Escape")
            await expect(lead).to_have_text("2,001 instances you may open")
            await expect(rows.nth(1)).to_contain_text("host-77")

            await tab.page.get_by_label("State").select_option("Stopped")
            await expect(lead).to_have_text("1 of 2,001 instances")
            await tab.page.get_by_label("Open ones").check()
            await expect(tab.page.locator(".empty")).to_contain_text("Nothing like that")
            await tab.shoot("list-none", phone=True)
            await tab.button("Show all").click()
            await expect(lead).to_have_text("2,001 instances you may open")

            tab.expected.append("status of 404")
            await tab.open(f"{setup.base}/console/web-8")
            await tab.says("No such instance", "Did you mean")
            await tab.shoot("did-you-mean", phone=True)
            await tab.open(f"{setup.base}/console/host-78")
            await tab.runs()
            await tab.open("about:blank")


async def test_the_list_says_what_to_do_when_it_is_empty(tab: Tab, tmp_path: Path) -> None:
    """No instance: how to name one. The cloud can't be asked: why."""
    async with running(tmp_path / "empty", cloud=STILL, instance=()) as setup:
        await tab.open(setup.base)
        await expect(tab.page.locator(".empty")).to_contain_text("[[instance]]")
        await tab.shoot("list-empty")
        await tab.open("about:blank")
    async with Simulator(STILL) as cloud:
        aliyun = Aliyun(endpoint=cloud.endpoint, discover=True)
        cloud.faults.next(ANY, ApiFault.error("Forbidden.RAM"), MANY)
        async with running(tmp_path, cloud=cloud, aliyun=aliyun) as setup:
            await tab.open(setup.base)
            await expect(tab.page.get_by_role("alert")).to_contain_text(
                "RAM denies ecs:DescribeInstances. The RAM policy"
            )
            await tab.shoot("list-problem")
            await tab.open("about:blank")


async def test_a_link_opens_the_console_once(tab: Tab, tmp_path: Path) -> None:
    """Its ticket is in no address afterwards, and good for nothing any more."""
    tab.expected.append(REFUSED)
    async with running(tmp_path, cloud=STILL, access="token") as setup:
        headers = {"Authorization": f"Bearer {token_of(setup)}"}
        async with setup.http.post(
            f"{setup.base}/api/v1/tickets", json={"instance": "demo"}, headers=headers
        ) as answer:
            path = (await answer.json())["path"]
        await tab.open(setup.base + path)
        await tab.runs()
        assert tab.page.url == f"{setup.base}/console/demo"
        _, _, ticket = path.partition("#")
        tickets = [ticket, *(socket.url.partition("ticket=")[2] for socket in tab.sockets)]
        assert len(tickets) == 3
        await kept_nowhere(tab, token_of(setup), *tickets)
        assert ticket not in setup.log.getvalue()

        await tab.page.context.clear_cookies()
        await tab.open(setup.base + path)
        title = tab.page.get_by_role("heading", name="This link can’t be used any more")
        await expect(title).to_be_visible()
        await tab.shoot("enter-used")
        await kept_nowhere(tab, ticket)
        await tab.open(f"{setup.base}/console/demo")
        await tab.says("Log in first")
        await tab.shoot("console-log-in")
        await tab.page.get_by_label("Access token").fill(token_of(setup))
        await tab.button("Log in").click()
        await tab.runs()
        await kept_nowhere(tab, token_of(setup))
        await tab.open("about:blank")


async def test_a_fresh_link_in_the_tab_of_a_used_one_opens_the_console(
    tab: Tab, tmp_path: Path
) -> None:
    """Only the fragment of the address changes; its ticket is taken out of it all the same."""
    tab.expected.append(REFUSED)
    async with running(tmp_path, cloud=STILL, access="token") as setup:
        headers = {"Authorization": f"Bearer {token_of(setup)}"}
        async with setup.http.post(
            f"{setup.base}/api/v1/tickets", json={"instance": "demo"}, headers=headers
        ) as answer:
            path = (await answer.json())["path"]
        await tab.open(f"{setup.base}/enter#used-up")
        title = tab.page.get_by_role("heading", name="This link can’t be used any more")
        await expect(title).to_be_visible()
        await tab.open(setup.base + path)
        await tab.runs()
        assert tab.page.url == f"{setup.base}/console/demo"
        await kept_nowhere(tab, path.partition("#")[2], "used-up")
        await tab.open("about:blank")


async def test_the_way_to_the_screen_is_reported_step_by_step(tab: Tab, tmp_path: Path) -> None:
    """Asking the cloud, connecting, the screen; panels and dialogs over it."""
    async with Simulator(STILL) as cloud:
        cloud.faults.next(ANY, ApiFault.slow(1.5))
        cloud.gateway_faults.next(ANY, GatewayFault.hang(1.5))
        async with tab.on_a_console(tmp_path, cloud=cloud) as setup:
            await tab.said("Asking the cloud for the console")
            await tab.shoot("fetching-url")
            await tab.said("Connecting to the instance")
            await tab.shoot("connecting")
            await tab.runs()
            await shows(tab, setup)
            await tab.shoot("running")
            await tab.button("Keys").click()
            await expect(tab.page.locator("#keys-panel")).to_be_visible()
            await tab.shoot("panel-keys")
            await tab.page.keyboard.press("Escape")
            await tab.button("Type text").click()
            await tab.page.get_by_role("textbox", name="Text to type").fill("uname -a\n")
            await tab.shoot("dialog-paste")
            await tab.button("Type it").click()
            await until(lambda: "uname -a" in cloud.typed_text, "the pasted text")
            cloud.broadcast(b"\x03\0\0\0\0\0\0\x09from here")
            await tab.button("Guest’s clipboard").click()
            await expect(tab.page.locator("#clip-text")).to_have_value("from here")
            await tab.shoot("dialog-clipboard")
            await tab.page.locator("#clip-close").click()
            await tab.button("Details").click()
            await expect(tab.page.locator("#details-panel")).to_contain_text(DEMO_INSTANCE_ID)
            await tab.shoot("panel-details")
            await tab.page.keyboard.press("Escape")
            await tab.page.set_viewport_size({"width": 420, "height": 700})
            await tab.shoot("running-narrow")
            await tab.page.set_viewport_size({"width": 1000, "height": 800})
            kept(setup)


async def test_two_pages_share_a_console_and_pass_control(
    tab: Tab, chromium: Browser, tmp_path: Path
) -> None:
    """Both see the picture; the second types once the first has granted it."""
    limits = Limits(control_request_timeout=LONG_WAIT_S)
    async with tab.on_a_console(tmp_path, cloud=STILL, limits=limits) as setup:
        await tab.runs()
        second = await Tab.opened(chromium, tmp_path)
        await second.open(f"{setup.base}/console/demo")
        await second.runs()
        await shows(second, setup)
        await expect(second.page.locator("#typing")).to_have_text("Watching only")
        await second.type("no")
        await second.shoot("watching")
        await second.button("Request control").click()
        await expect(tab.page.locator("#people")).to_contain_text("anyone 2 asks for control.")
        await tab.shoot("control-asked")
        await tab.button("Grant").click()
        await expect(second.page.locator("#typing")).not_to_have_text("Watching only")
        await second.page.locator("#screen canvas").click()
        await second.type("yes")
        await until(lambda: setup.cloud.typed_text == "yes", "the second page's keys")
        await second.page.close()
        kept(setup)


async def test_an_exhausted_budget_is_counted_down(tab: Tab, tmp_path: Path) -> None:
    """The picture stays behind the card, and the seconds go down."""
    limits = Limits(reconnects_per_minute=1)
    async with tab.on_a_console(tmp_path, cloud=STILL, limits=limits) as setup:
        await tab.runs()
        await shows(tab, setup)
        setup.cloud.drop()
        await tab.says(
            "This instance used its one connection of the last minute",
            "What you see is the last picture.",
            "as soon as one becomes free",
        )
        await expect(tab.button("Try now")).to_be_hidden()
        assert 20 < await counts_down(tab) <= 61
        await shows(tab, setup)
        await tab.shoot("waiting-budget")
        kept(setup)


async def test_a_lost_link_comes_back_under_the_page(
    tab: Tab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it is away the card says so over the last picture; a button shortens the wait."""
    monkeypatch.setattr("vncproxy.console.retry_policy.Backoff.next", lambda *_: LONG_WAIT_S)
    async with tab.on_a_console(tmp_path, cloud=STILL) as setup:
        await tab.runs()
        await shows(tab, setup)
        setup.cloud.gateway_faults.next(DEMO_INSTANCE_ID, GatewayFault.refuse(), 3)
        setup.cloud.drop()
        await tab.says("Bringing the link back", "Next try in")
        for tries in ("HTTP status 503", "2 tries so far.", "3 tries so far."):
            await tab.button("Try now").click()
            await tab.says("Bringing the link back", tries, "Next try in")
        await expect(tab.button("Ctrl+Alt+Del")).to_be_disabled()
        await tab.type("lost")
        await expect(tab.page.locator("#message-lost")).to_have_text(
            "4 keys that you pressed went nowhere."
        )
        await tab.shoot("resuming")
        await shows(tab, setup)
        await tab.button("Try now").click()
        await tab.runs()
        await expect(tab.page.locator("#notices")).to_contain_text(
            "The link was lost and is back. 4 keys that you pressed went nowhere in between."
        )
        await tab.shoot("resumed")
        await tab.type("back")
        await until(lambda: setup.cloud.typed_text == "back", "the keys")
        await shows(tab, setup)
        assert len(tab.streams) == 1
        kept(setup)


async def test_a_button_stays_while_the_card_is_shown_again(tab: Tab, tmp_path: Path) -> None:
    """One made anew would swallow a click that has begun on it; it does what was sent last."""
    async with tab.on_a_console(tmp_path, cloud=STILL):
        await tab.runs()
        assert await tab.page.evaluate(
            """async () => {
                const { MessageCard } = await import("/static/js/message.js");
                const card = new MessageCard(), clicked = [];
                const show = (name, label = "Try now") => card.show({
                    tone: "wait", title: name, text: "",
                    actions: [{ label, run: () => clicked.push(name) }],
                });
                const button = () => document.querySelector("#message-actions button");
                show("first");
                const first = button();
                show("second");
                const stays = button() === first;
                first.click();
                show("third", "Try again");
                button().click();
                return [stays, button() === first, ...clicked];
            }"""
        ) == [True, False, "second", "third"]


async def test_a_link_that_stays_away_is_given_up(tab: Tab, tmp_path: Path) -> None:
    """4504 after max_wait; the page goes on trying by itself."""
    tab.expected.append(NOVNC_CLOSED)
    limits = Limits(max_wait=1.5)
    async with tab.on_a_console(tmp_path, cloud=STILL, limits=limits) as setup:
        await tab.runs()
        setup.cloud.gateway_faults.next(DEMO_INSTANCE_ID, GatewayFault.refuse(), MANY)
        setup.cloud.drop()
        await tab.said(title_of(CloseCode.UPSTREAM_LOST), "Next try in")
        await tab.shoot("code-4504-real")
        setup.cloud.gateway_faults.clear()
        await tab.runs()
        await shows(tab, setup)
        kept(setup)


async def test_a_wait_beyond_max_wait_is_refused(tab: Tab, tmp_path: Path) -> None:
    """4429 with the time at which it makes sense to come back."""
    limits = Limits(reconnects_per_minute=1, max_wait=5.0)
    async with tab.on_a_console(tmp_path, cloud=STILL, limits=limits) as setup:
        await tab.runs()
        setup.cloud.drop()
        await tab.says("This instance used its one connection of the last minute", "max_wait")
        # One time is told, by the countdown.
        assert len(re.findall(r"\d+ s\b", await tab.card.inner_text())) == 1
        assert await counts_down(tab) > 20
        await tab.shoot("code-4429-real")
        kept(setup)


async def test_a_stopped_instance_is_reported_and_waited_for(tab: Tab, tmp_path: Path) -> None:
    """Retried while it may start, then 4502; the button opens it once it runs."""
    tab.expected.append(NOVNC_CLOSED)
    limits = Limits(max_wait=3.0)
    async with Simulator(STILL) as cloud:
        cloud.set_status("Stopped")
        async with tab.on_a_console(tmp_path, cloud=cloud, limits=limits) as setup:
            title = "The instance is stopped"
            await tab.said(title, "Start it.", "every few seconds, for 3 s at most", "Next try in")
            await tab.shoot("stopped-waiting", phone=True)
            await tab.says(title, "IncorrectInstanceStatus\nrequest ", "doesn’t ask any more")
            await tab.shoot("code-4502-stopped", phone=True)
            assert not cloud.dials
            cloud.set_status("Running")
            await tab.button("Try again").click()
            await tab.runs()
            kept(setup)


async def test_a_session_without_a_screen_is_ended(tab: Tab, tmp_path: Path) -> None:
    """It was one all the same; where all have one name, nobody is told that they ended it."""
    tab.expected.append(NOVNC_CLOSED)
    async with Simulator(STILL) as cloud:
        cloud.set_status("Stopped")
        aliyun = Aliyun(endpoint=cloud.endpoint, power=True)
        async with tab.on_a_console(tmp_path, cloud=cloud, aliyun=aliyun) as setup:
            await tab.says("The instance is stopped", "Start it.")
            await tab.shoot("stopped-start", phone=True)
            await tab.button("Start it…").click()
            dialog = tab.page.get_by_role("dialog")
            await expect(dialog.get_by_role("button", name="Start", exact=True)).to_be_visible()
            await dialog.get_by_role("button", name="Close").click()
            consoles = f"{setup.base}/api/v1/consoles"
            async with setup.http.get(consoles) as answer:
                [row] = (await answer.json())["consoles"]
            assert (row["links"], row["instance_status"]) == (0, "Stopped")
            [viewer] = row["viewers"]
            async with setup.http.delete(f"{consoles}/demo/viewers/{viewer['id']}") as answer:
                assert answer.status == 204
            await tab.says(title_of(CloseCode.KICKED), "Somebody ended it from elsewhere.")
            kept(setup)


async def test_a_refusal_of_the_cloud_says_what_to_do(tab: Tab, tmp_path: Path) -> None:
    """4502 at once, with the RAM policy's action."""
    tab.expected.append(NOVNC_CLOSED)
    async with Simulator(STILL) as cloud:
        cloud.faults.next(ANY, ApiFault.error("Forbidden.RAM"), MANY)
        async with tab.on_a_console(tmp_path, cloud=cloud):
            await tab.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
            await tab.says(
                "RAM denies ecs:DescribeInstanceVncUrl", "Forbidden.RAM\nrequest ", "RAM policy"
            )
            await tab.shoot("code-4502-forbidden", phone=True)
            assert len(cloud.calls) == 1
            codes = await tab.page.locator("#message-codes").inner_text()
            await tab.button("Copy for support").click()
            await expect(tab.page.locator("#notices")).to_contain_text("Copied")
            facts = await tab.page.evaluate("navigator.clipboard.readText()")
            assert f"Request id: {codes.rpartition(' ')[2]}" in facts.splitlines()
            assert "Close code: 4502 upstream-refused: Forbidden.RAM" in facts
            assert DEMO_INSTANCE_ID in facts
            for secret in ("ticket", "token", "vncUrl", "websockify"):
                assert secret not in facts
            await tab.button("All instances").click()
            await expect(tab.page.get_by_role("heading", name="Instances")).to_be_visible()


async def test_throttling_says_until_when(tab: Tab, tmp_path: Path) -> None:
    """The time that the cloud named, in the title and counted down; nothing to press meanwhile."""
    async with Simulator(STILL) as cloud:
        cloud.faults.next(ANY, ApiFault.throttle(100.0), MANY)
        async with tab.on_a_console(tmp_path, cloud=cloud):
            title = tab.page.locator("#message-title")
            said = re.compile(r"Throttled by the cloud until \d\d:\d\d:\d\d")
            await expect(title).to_have_text(said)
            first = await title.inner_text()
            await expect(tab.card).to_contain_text("Throttling.User request ")
            assert 90 < await counts_down(tab) <= 101
            await expect(tab.button("Try now")).to_be_hidden()
            await tab.shoot("throttled", phone=True)
            assert await title.inner_text() == first
            assert len(cloud.calls) == 1


async def test_the_first_question_for_a_password_is_no_fault(tab: Tab, tmp_path: Path) -> None:
    """Nothing is red until one was wrong."""
    settings = SimulatorSettings(
        animated=False, instances=(SimulatedInstance(vnc_password="abc123"),)
    )
    async with tab.on_a_console(tmp_path, cloud=settings) as setup:
        await tab.says("The VNC password is needed")
        await expect(tab.page.locator(".problem")).to_have_count(0)
        await tab.shoot("password-first", phone=True)
        field = tab.page.get_by_role("textbox", name="VNC password")
        await field.fill("zzz999")
        await tab.button("Connect").click()
        await expect(tab.page.locator(".problem")).to_have_text("The VNC password is wrong.")
        await tab.shoot("password-refused", phone=True)
        await field.fill("abc123")
        await tab.button("Connect").click()
        await tab.runs()
        await expect(tab.page.locator("#survived")).to_be_empty()
        kept(setup)


async def test_a_refusal_before_the_screen_ends_no_session(
    tab: Tab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """4403 where nothing was shown yet."""

    async def refuses(*_: Any) -> None:
        raise RecordingError("This session has to be recorded, and its disk is full.")

    monkeypatch.setattr("vncproxy.web.viewer_session._enter", refuses)
    tab.expected.append(NOVNC_CLOSED)
    async with tab.on_a_console(tmp_path, cloud=STILL):
        await tab.says("This console can’t be opened now", "its disk is full")
        await tab.shoot("code-4403-unopened", phone=True)


async def test_a_picture_is_shown_once_it_is_whole(tab: Tab, tmp_path: Path) -> None:
    """Half of it stays covered, for 2 s at most; noVNC reads a stream that the test makes."""
    async with running(tmp_path, cloud=STILL) as setup:
        await tab.open(setup.base)
        assert await tab.page.evaluate(
            """async () => {
                const { Screen } = await import("/static/js/screen.js");
                const real = performance.now.bind(performance);
                let ahead_ms = 0;
                performance.now = () => real() + ahead_ms;
                const settled = () => new Promise(done => setTimeout(done, 200));
                async function opened() {
                    const target = document.createElement("div");
                    document.body.append(target);
                    const screen = new Screen(target, document.createElement("canvas"));
                    const told = [];
                    screen.addEventListener("picture", () => told.push("picture"));
                    const stream = Object.assign(new EventTarget(), {
                        binaryType: "", protocol: "", readyState: "open", send() {}, close() {},
                        onclose: null, onerror: null, onmessage: null, onopen: null,
                    });
                    screen.attach(stream);
                    await settled();
                    const say = bytes => stream.onmessage({ data: new Uint8Array(bytes).buffer });
                    say([...new TextEncoder().encode("RFB 003.008\\n")]);
                    say([1, 1]);
                    say([0, 0, 0, 0]);
                    say([0, 64, 0, 64, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0,
                         0, 0, 0, 1, 65]);
                    const half = top => say([0, 0, 0, 1, 0, 0, 0, top, 0, 64, 0, 32, 0, 0, 0, 0,
                                             ...new Array(64 * 32 * 4).fill(90)]);
                    return { screen, told, half };
                }
                const one = await opened();
                one.half(0);
                await settled();
                const seen = [one.screen.hasPicture, one.told.length];
                one.half(32);
                await settled();
                seen.push(one.screen.hasPicture, one.told.length);
                const other = await opened();
                other.half(0);
                await settled();
                seen.push(other.told.length);
                ahead_ms = 2000;
                await settled();
                return [...seen, other.told.length];
            }"""
        ) == [False, 0, True, 1, 0, 1]
        await tab.open("about:blank")


async def test_an_administrator_ends_a_page(tab: Tab, tmp_path: Path) -> None:
    """4403: the page says so, doesn't come back by itself, and its link isn't back."""
    async with tab.on_a_console(tmp_path, cloud=STILL) as setup:
        await tab.runs()
        await shows(tab, setup)
        setup.cloud.drop()
        back = tab.page.locator("#notices", has_text="The link was lost and is back.")
        await expect(back).to_be_visible()
        async with setup.http.delete(f"{setup.base}/api/v1/consoles/demo") as answer:
            assert answer.status == 204
        await tab.says(title_of(CloseCode.KICKED))
        assert await back.count() == 0
        await tab.shoot("code-4403-real")
        await expect(tab.page.locator("#message-countdown")).to_be_hidden()
        assert not setup.cloud.sessions
        kept(setup)


@pytest.mark.usefixtures("no_second_thoughts")
async def test_an_administrator_ends_a_session_on_the_list(tab: Tab, tmp_path: Path) -> None:
    """Pressed twice, and only that session ends; the list has it no more."""
    async with running(tmp_path, cloud=STILL) as setup:
        first, second = await setup.viewer(), await setup.viewer()
        await until(lambda: first.decoder.updates and second.decoder.updates, "pictures")
        await tab.open(setup.base)
        sessions = tab.page.locator(".session")
        await expect(sessions).to_have_count(2)
        await expect(sessions.last).to_contain_text("On: anyone 2 (watching), from 127.0.0.1")
        await tab.shoot("list-sessions")
        button = sessions.last.get_by_role("button")
        await expect(button).to_have_accessible_name("End the session of anyone 2 on demo")
        await button.evaluate("one => { one.click(); one.click(); }")
        await expect(button).to_have_text("Really end?")
        await tab.shoot("list-really-end")
        await expect(button).to_be_enabled()
        assert not second.socket.closed
        # A press so soon after the first counts as part of a double click.
        await tab.page.evaluate(
            "() => { const then = performance.now() + 1_000; performance.now = () => then; }"
        )
        await button.click()
        await expect(sessions).to_have_count(1)
        assert await second.ended() == CloseCode.KICKED
        assert not first.socket.closed
        await tab.open("about:blank")


async def test_a_door_that_knows_nobody_asks_for_no_token(tab: Tab, tmp_path: Path) -> None:
    """The page says why it lets nobody in: a form for a token would be of no use."""
    tab.expected.append(REFUSED)
    door = Listen(address="127.0.0.1:0", access="peer")
    async with running(tmp_path, cloud=STILL, listen=(door,)) as setup:
        if os.getuid() != 0:
            pytest.skip("only as root is the browser nobody in particular")
        await tab.open(setup.base)
        await expect(tab.page.get_by_role("alert").first).to_contain_text("aren’t known here")
        await expect(tab.page.get_by_label("Access token")).to_be_hidden()
        await tab.shoot("list-unknown-here")
        await tab.open("about:blank")


async def test_a_restart_of_the_daemon_is_survived(tab: Tab, tmp_path: Path) -> None:
    """1012, then the daemon is away, then the page is back by itself."""
    tab.expected.append(GONE)
    async with Simulator(STILL) as cloud:
        async with running(tmp_path, cloud=cloud) as setup:
            port = setup.daemon.servers[0].port
            await tab.open(f"{setup.base}/console/demo")
            await tab.runs()
        await tab.said(title_of(CloseCode.RESTARTING), "Next try in")
        await tab.shoot("code-1012-real")
        await tab.says("vncproxy can’t be reached", "Next try in")
        await tab.type("gone")
        await tab.shoot("unreachable")
        door = Listen(address=f"127.0.0.1:{port}", access="open")
        async with running(tmp_path, cloud=cloud, listen=(door,)) as setup:
            await tab.runs()
            await expect(tab.page.locator("#notices")).to_contain_text(
                "4 keys that you pressed went nowhere while the screen was away."
            )
            await shows(tab, setup)
            await tab.type("again")
            await until(lambda: cloud.typed_text == "again", "the keys")
            kept(setup)
            await tab.open("about:blank")


async def test_a_page_that_met_an_upgrade_half_way_loads_anew(
    tab: Tab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own version's scripts are gone when it asks for them: soon it is the new one, whole."""
    tab.expected += ["status of 404", "MIME type"]
    asked: list[str] = []
    current = ASSETS.page

    def page(name: str, language: Language, base: str = "") -> Asset:
        asked.append(name)
        now = current(name, language, base)
        if len(asked) > 1:
            return now
        before = now.body.replace(ASSETS.version.encode(), b"v-0123456789abcdef")
        before = re.sub(rb"-[0-9a-f]{16}(\.(?:js|css)\")", rb"-0123456789abcdef\1", before)
        return Asset.of(name, before)

    monkeypatch.setattr(ASSETS, "page", page)
    async with tab.on_a_console(tmp_path) as setup:
        await tab.runs()
        await shows(tab, setup)
        assert asked == ["console.html", "console.html"]


async def test_an_unknown_message_is_passed_on_unread_the_next_time(
    tab: Tab, tmp_path: Path
) -> None:
    """4500 twice; then the console is opaque, works, says so, and carries no second viewer."""
    async with Simulator(STILL) as cloud:
        cloud.gateway_faults.next(ANY, GatewayFault(GatewayFaultKind.UNKNOWN_MESSAGE), 2)
        async with tab.on_a_console(tmp_path, cloud=cloud) as setup:
            await tab.says(title_of(CloseCode.UPSTREAM_PROTOCOL))
            await tab.shoot("code-4500-real")
            await tab.button("Try again").click()
            await until(lambda: len(cloud.endings) == 2, "the second time")
            await tab.says(title_of(CloseCode.UPSTREAM_PROTOCOL))
            await tab.button("Try again").click()
            await tab.runs()
            await expect(tab.page.locator("#state")).to_have_text("Connected, opaque")
            await shows(tab, setup)
            await tab.shoot("opaque")
            await tab.type("unread")
            await until(lambda: cloud.typed_text == "unread", "the keys")
            second = await setup.connect()
            assert await second.ended() == CloseCode.IN_USE
            kept(setup)


async def test_unknown_security_is_reported(tab: Tab, tmp_path: Path) -> None:
    """The console turns opaque, and noVNC can't log in either: the page says why."""
    tab.expected.append("Unsupported security types")
    async with Simulator(STILL) as cloud:
        cloud.gateway_faults.next(ANY, GatewayFault(GatewayFaultKind.UNKNOWN_SECURITY), MANY)
        async with tab.on_a_console(tmp_path, cloud=cloud) as setup:
            await tab.says("This screen can’t be shown here", "a log-in", "console.opaque")
            await tab.shoot("opaque-unsupported")
            assert '"console.opaque"' in setup.log.getvalue()
            kept(setup)


async def test_a_notice_that_comes_again_replaces_the_one_before(tab: Tab, tmp_path: Path) -> None:
    """A notice that a page has already is moved to the end, the others stay."""
    async with tab.on_a_console(tmp_path, cloud=STILL):
        await tab.runs()
        await tab.page.evaluate(
            """async () => {
                const { notice } = await import('/static/js/notices.js');
                for (const text of ['Once', 'Twice', 'Once']) notice('warning', text);
            }"""
        )
        await expect(tab.page.locator(".notice p")).to_have_text(["Twice", "Once"])


_COVERED = """() => {
    const shown = [...document.querySelectorAll("button, a[href], select, input, textarea, canvas")]
        .filter(one => one.checkVisibility({ visibilityProperty: true }));
    const covered = shown.filter(one => {
        const box = one.getBoundingClientRect();
        const points = [[0.5, 0.5], [0.5, 0.1], [0.5, 0.9], [0.1, 0.5], [0.9, 0.5]];
        return !points.every(([x, y]) => {
            const there = document.elementFromPoint(
                box.left + x * box.width, box.top + y * box.height);
            // What lies on the screen leaves most of it free.
            return one.contains(there) || (one.tagName === "CANVAS" && [x, y] + "" !== "0.5,0.5");
        });
    });
    return [shown.length, covered.map(one => one.id || one.textContent)];
}"""


@pytest.mark.parametrize("window", [(1280, 800), (390, 844)], ids=["desk", "phone"])
async def test_full_screen_with_several_viewers(
    tab: Tab, tmp_path: Path, window: tuple[int, int]
) -> None:
    """All that is shown can be reached by pointer, the toolbar's tab and its tools too."""
    width, height = window
    await tab.page.set_viewport_size({"width": width, "height": height})
    async with tab.on_a_console(tmp_path, cloud=STILL) as setup:
        await tab.runs()
        for _ in range(3):
            await setup.viewer()
        people, bar = tab.page.locator("#people"), tab.page.locator("#bar")
        await expect(people).to_be_visible()
        await tab.page.locator("#full-button").click()
        await expect(tab.page.locator("body.full")).to_be_visible()
        await expect(bar).to_be_hidden()
        await tab.shoot(f"full-screen-people-{width}")
        shown, covered = await tab.page.evaluate(_COVERED)
        assert shown >= 3
        assert covered == []
        await tab.page.locator("#bar-tab").click()
        await expect(bar).to_be_visible()
        # Where its way down has ended.
        await bar.evaluate("bar => Promise.all(bar.getAnimations().map(one => one.finished))")
        await tab.shoot(f"full-screen-people-open-{width}")
        shown, covered = await tab.page.evaluate(_COVERED)
        assert shown >= 8
        assert covered == []
        await tab.page.locator("#full-button").click()
        await expect(tab.page.locator("body.full")).to_be_hidden()


async def test_another_pixel_format_is_reported(tab: Tab, tmp_path: Path) -> None:
    """4406 where a viewer of 16 bits has the console."""
    async with running(tmp_path, cloud=STILL) as setup:
        viewer = await setup.connect()
        await viewer.shake_hands()
        await viewer.send(b"\0\0\0\0" + PIXELS_16, set_encodings((0,)), viewer.request(0))
        await tab.open(f"{setup.base}/console/demo")
        await tab.says(title_of(CloseCode.PIXEL_FORMAT))
        await tab.shoot("code-4406-real")
        await tab.open("about:blank")
        kept(setup)


async def test_an_unknown_instance_is_reported(tab: Tab, tmp_path: Path) -> None:
    """404 in words, with the way to the list."""
    tab.expected.append("status of 404")
    async with running(tmp_path, cloud=STILL) as setup:
        await tab.open(f"{setup.base}/console/nobody-has-this")
        await tab.says("No such instance")
        await tab.shoot("no-such-instance")
        await tab.button("All instances").click()
        await expect(tab.page.get_by_role("heading", name="Instances")).to_be_visible()
        await tab.open("about:blank")


async def test_an_unknown_address_is_reported(tab: Tab, tmp_path: Path) -> None:
    """A page in the style of the others, with the way to the list."""
    tab.expected.append("status of 404")
    async with running(tmp_path, cloud=STILL) as setup:
        await tab.open(f"{setup.base}/nothing-here")
        await expect(tab.page.get_by_role("heading", name="Not found")).to_be_visible()
        await tab.shoot("not-found")
        await tab.page.get_by_role("link", name="Start page").click()
        await expect(tab.page.get_by_role("heading", name="Instances")).to_be_visible()
        await tab.open("about:blank")


async def says_its_sentence(tab: Tab, entry: dict[str, Any]) -> None:
    """Title, what to do, a countdown where it comes back by itself, a button where it doesn't."""
    code = entry["code"]
    throttled = "This instance used its 29 connections of the last minute"
    await tab.says(throttled if code == CloseCode.THROTTLED else entry["title"])
    if code == CloseCode.VNC_PASSWORD:
        await expect(tab.page.get_by_role("textbox", name="VNC password")).to_be_visible()
    else:
        await expect(tab.card).to_contain_text(entry["text"])
        await expect(tab.button(entry["button"])).to_be_visible()
        countdown = tab.page.locator("#message-countdown")
        if entry["retry"] == "never":
            await expect(countdown).to_be_hidden()
        else:
            await expect(countdown).to_contain_text("Next try in")
    await tab.shoot(f"code-{code}")


@pytest.mark.usefixtures("no_second_thoughts")
async def test_every_close_code_has_its_sentence(
    tab: Tab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page closed with one code after the other says what the list has for each."""
    registries: list[Registry] = []

    def kept_registry(*parts: Any, **more: Any) -> Registry:
        registries.append(Registry(*parts, **more))
        return registries[0]

    monkeypatch.setattr("vncproxy.app.Registry", kept_registry)
    entries = [entry for entry in close_codes() if entry["code"] != BROKEN]
    assert len({entry["title"] for entry in entries}) == len(CloseCode)
    async with tab.on_a_console(tmp_path, cloud=STILL) as setup:
        for entry in entries:
            await tab.runs()
            console = registries[0].get(DEMO_INSTANCE_ID)
            assert console is not None
            code = CloseCode(entry["code"])
            [viewer] = console.viewers
            viewer.close(CloseReason(code, Side.DAEMON))
            await says_its_sentence(tab, entry)
            stays = entry["retry"] == "never" and entry["action"] == "again"
            if stays and code is not CloseCode.VNC_PASSWORD:
                await tab.button(entry["button"]).click()
            else:
                await tab.open(f"{setup.base}/console/demo")
        await tab.runs()
        kept(setup)
        assert len(setup.cloud.dials) == 1
