"""The pages in Chinese, as a browser shows them: which language, all of it, and nothing cut off."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.real.console_tab import Tab, fresh_tab
from tests.real.peers.browser import Browser, Chromium
from tests.setup import running, until
from vncproxy.config.model import Instance, Pages
from vncproxy.simulator.faults import ApiFault
from vncproxy.simulator.settings import SimulatorSettings

pytestmark = pytest.mark.asyncio(loop_scope="session")

WIDTHS = (1280, 390, 360)

_TEXTS = """() => {
    const texts = [];
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
        const of = walk.currentNode.parentElement;
        const untranslated = of.closest('code, kbd, pre, script, noscript, svg, .mono, .key')
            || of.closest('.place, [translate=no]') || of.closest('[lang]').lang !== 'zh-CN';
        if (!untranslated) texts.push(walk.currentNode.textContent.trim());
    }
    for (const name of ['title', 'aria-label', 'placeholder'])
        for (const e of document.querySelectorAll(`[${name}]`)) texts.push(e.getAttribute(name));
    return texts.filter(Boolean);
}"""

_BEYOND = """() => [...document.querySelectorAll('body *')].filter(e => {
    const box = e.getBoundingClientRect();
    return box.width > 0 && !e.closest('.unseen, .screen, [hidden]')
        && (box.right > innerWidth + 1 || box.left < -1);
}).map(e => e.outerHTML.slice(0, 80))"""

_LIST_IS_WHOLE = """() => {
    const list = document.querySelector('.instances');
    return list.scrollWidth <= list.clientWidth;
}"""

_NAME_IS_BESIDE_THE_ICON = """() => {
    const [icon, name] = ['.home', '#name'].map(
        of => document.querySelector(of).getBoundingClientRect());
    return name.left >= icon.right && name.top < icon.bottom && name.width > 60;
}"""

NAMES = re.compile(
    r"vncproxy|noVNC|JavaScript|Ctrl|Alt|Shift|Esc|Tab|Enter|Caps Lock|Linux|Windows|SysRq|Del|"
    r"Mozilla Public License|kernel\.sysrq|CPU|WebSocket|anyone|demo|local|cn-hangzhou|i-bp\w+|"
    r"v-\w+|\b[0-9a-f]{8}-\d+|RAM|CSV|ecs:\w+|Forbidden\.\w+|ID|"
    r"console\.\w+|F\d+|Super|Home|End|VNC|AccessKey|Page Up|Page Down|kB|MB|English"
)
"""What is the same in all languages."""


@pytest_asyncio.fixture(loop_scope="session")
async def chinese(chromium_program: Chromium, tmp_path: Path) -> AsyncIterator[Tab]:
    """A tab of a browser that is set to Chinese."""
    async with (
        chromium_program.profile(width=1280, language="zh-CN") as browser,
        fresh_tab(browser, tmp_path) as tab,
    ):
        yield tab


_LINES_OF_A_WORD = """([where, word]) => {
    const text = document.querySelector(where).firstChild, range = document.createRange();
    range.setStart(text, text.data.indexOf(word));
    range.setEnd(text, text.data.indexOf(word) + word.length);
    return new Set([...range.getClientRects()].map(({ top }) => top)).size;
}"""


async def is_chinese(tab: Tab, name: str) -> None:
    """No text of the page is English, and nothing is beyond the window, however narrow."""
    page = tab.page
    assert await page.locator("html").get_attribute("lang") == "zh-CN"
    english = [
        text
        for text in await page.evaluate(_TEXTS)
        if re.search(r"[A-Za-z]{3}", NAMES.sub("", text))
    ]
    assert english == []
    for width in WIDTHS:
        await page.set_viewport_size({"width": width, "height": 844})
        await page.evaluate("() => new Promise(requestAnimationFrame)")
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        assert await page.evaluate(_BEYOND) == []
        await tab.shoot(f"{name}-zh-{width}")
    await page.set_viewport_size({"width": 1280, "height": 844})


async def test_a_chinese_browser_gets_chinese_pages(chinese: Tab, tmp_path: Path) -> None:
    """List, administration, console with its panels, notices, and a refusal: all of it."""
    tab, page = chinese, chinese.page
    async with running(tmp_path) as setup:
        await tab.open(setup.base)
        await expect(page.locator("#lead")).to_have_text("您可以打开 1 个实例")
        await is_chinese(tab, "list")
        other = await setup.viewer()
        await until(lambda: setup.shows(other), "the picture")
        await tab.open(f"{setup.base}/admin")
        await expect(page.locator(".on-it")).to_have_count(1)
        await is_chinese(tab, "admin")
        for tab_name in ("past", "recordings"):
            await tab.open(f"{setup.base}/admin#{tab_name}")
            await expect(page.locator("#lead")).to_contain_text("个")
            await is_chinese(tab, tab_name)

        await tab.open(f"{setup.base}/console/demo?take=1")
        await expect(page.locator("#state")).to_have_text("已连接")
        await expect(tab.button("释放控制权")).to_be_visible()
        await is_chinese(tab, "console")
        await expect(page.locator("#chord-does")).to_have_text("移出焦点")
        await page.locator("#keys-button").focus()
        await expect(page.locator("#typing")).to_have_text("点击屏幕开始输入")
        await expect(page.locator("#chord-does")).to_have_text("也可以")
        for button in ("#keys-button", "#details-button"):
            await page.click(button)
            await is_chinese(tab, button.strip("#"))
            if button == "#details-button":
                await expect(page.locator("#language")).to_be_visible()
            await page.keyboard.press("Escape")
        await page.click("#paste-button")
        await page.fill("#paste-text", "é\x01")
        await expect(page.locator("#paste-warning")).to_contain_text("将跳过 1 个控制字符。")
        await is_chinese(tab, "paste")
        await page.keyboard.press("Escape")

        # What the daemon says comes in Chinese, too.
        async with setup.http.delete(f"{setup.base}/api/v1/consoles/demo") as answer:
            assert answer.status == 204
        await tab.says("您的会话已被结束", "管理员结束了此会话。")
        await is_chinese(tab, "ended")
        # Another language loads the page anew, and that would open the console unasked.
        await page.click("#details-button")
        await expect(page.locator("#details-panel")).to_be_visible()
        await expect(page.locator("#language")).to_have_count(0)
        tab.expected += ["status of 40", "Connection closed (code: 4502"]
        await tab.open(f"{setup.base}/console/demo-2")
        await tab.says("没有此实例", "此处没有该名称或 ID 的实例，或您无权打开。")
        await is_chinese(tab, "unknown")
        await tab.open(f"{setup.base}/nothing")
        await expect(page.locator("h1")).to_have_text("未找到")
        await is_chinese(tab, "refusal")
        setup.cloud.faults.next("DescribeInstanceVncUrl", ApiFault.error("Forbidden.RAM"))
        await tab.open(f"{setup.base}/console/demo")
        await tab.says("RAM 拒绝了 ecs:DescribeInstanceVncUrl", "Forbidden.RAM")
        await is_chinese(tab, "forbidden")
        for width in WIDTHS:
            await page.set_viewport_size({"width": width, "height": 844})
            assert await page.evaluate(_LINES_OF_A_WORD, ["#message-title", "拒绝了"]) == 1
        await tab.open("about:blank")


async def test_a_user_s_choice_is_kept(chromium: Browser, tmp_path: Path) -> None:
    """It goes before the configuration's, which goes before the browser's."""
    async with (
        fresh_tab(chromium, tmp_path) as tab,
        running(tmp_path, pages=Pages(language="zh")) as setup,
    ):
        page = tab.page
        await tab.open(setup.base)
        await expect(page.get_by_role("heading", level=1)).to_have_text("实例")
        await page.locator("#language").select_option("en")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Instances")
        await tab.open(f"{setup.base}/console/demo")
        await tab.runs()
        # Who controls would be asked whether the page is to be left; this one comes back.
        await page.locator("#screen canvas").click()
        await page.click("#details-button")
        await page.locator("#language").select_option("zh")
        await expect(page.locator("#state")).to_have_text("已连接")
        assert tab.asked == []
        await tab.open(setup.base)
        await expect(page.get_by_role("heading", level=1)).to_have_text("实例")
        # Given up again: the configuration's counts. Also where a link or an address is wrong.
        await page.locator("#language").select_option("en")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Instances")
        tab.expected += ["status of 404"]
        for address, title in (("nothing", "Not found"), ("enter", "This link can’t be used any")):
            await tab.open(f"{setup.base}/{address}")
            await expect(page.locator("h1")).to_contain_text(title)
            await expect(page.locator("#language")).to_have_value("en")
            await tab.shoot(f"{address}-en")
        await page.locator("#language").select_option("auto")
        await expect(page.locator("h1")).to_have_text("此链接已失效")
        await expect(page.locator("#language")).to_have_value("auto")
        await tab.shoot("enter-zh")
        await tab.open(f"{setup.base}/nothing")
        await expect(page.locator("h1")).to_have_text("未找到")
        await tab.shoot("nothing-zh")


async def test_long_names_stay_in_their_places(chinese: Tab, tmp_path: Path) -> None:
    """In the list they are broken, in a console's head cut with dots, beside the icon."""
    tab, page = chinese, chinese.page
    one = replace(SimulatorSettings().instances[0], name="数据库-主-" + "long_name_" * 8)
    two = replace(one, instance_id=f"{one.instance_id[:-1]}2")
    cloud = SimulatorSettings(instances=(one, two), animated=False)
    instances = (
        Instance(id=one.instance_id, region=one.region, windows=True, alias="数据库"),
        Instance(id=two.instance_id, region=two.region, windows=True),
    )
    async with running(tmp_path, cloud=cloud, instance=instances) as setup:
        await tab.open(setup.base)
        await expect(page.locator(".instance")).to_have_count(2)
        await expect(page.locator(".instances")).to_contain_text("long_name")
        for width in WIDTHS[1:]:
            await page.set_viewport_size({"width": width, "height": 844})
            await page.evaluate("() => new Promise(requestAnimationFrame)")
            assert await page.evaluate(_LIST_IS_WHOLE)
            await tab.shoot(f"long-names-{width}")
        for instance in instances:
            await tab.open(f"{setup.base}/console/{instance.alias or instance.id}")
            await expect(page.locator("#state")).to_have_text("已连接")
            for width in WIDTHS[1:]:
                await page.set_viewport_size({"width": width, "height": 844})
                await page.evaluate("() => new Promise(requestAnimationFrame)")
                assert await page.evaluate(_BEYOND) == []
                assert await page.evaluate(_NAME_IS_BESIDE_THE_ICON)
                # The one tool that has no icon.
                await expect(page.get_by_text("Ctrl+Alt+Del", exact=True)).to_be_visible()
                await tab.shoot(f"long-name-{instance.id}-{width}")
        await tab.open("about:blank")
