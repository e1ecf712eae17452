"""The language of a page: choice, configuration, browser."""

from __future__ import annotations

from typing import Literal

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from vncproxy.web.page_language import COOKIE, for_socket, language_of


@pytest.mark.parametrize(
    ("cookie", "setting", "browser", "language"),
    [
        ("", "auto", "zh-CN", "zh"),
        ("", "auto", "", "en"),
        ("", "en", "zh-CN", "en"),
        ("", "zh", "en", "zh"),
        ("en", "zh", "zh-CN", "en"),
        ("zh", "en", "en", "zh"),
        ("xx", "auto", "zh", "zh"),
    ],
)
def test_the_choice_goes_before_the_setting_and_that_before_the_browser(
    cookie: str, setting: Literal["auto", "en", "zh"], browser: str, language: str
) -> None:
    """A choice that isn't one is none."""
    headers = {"Accept-Language": browser} if browser else {}
    if cookie:
        headers["Cookie"] = f"{COOKIE}={cookie}"
    assert language_of(make_mocked_request("GET", "/", headers=headers), setting) == language


@pytest.mark.parametrize(
    ("query", "browser", "language"),
    [
        ("?language=zh", "en-US", "zh"),
        ("?language=en", "zh-CN", "en"),
        ("", "zh-CN", "zh"),
        ("?language=xx", "zh-CN", "zh"),
    ],
)
def test_a_pages_socket_speaks_as_the_page_does(query: str, browser: str, language: str) -> None:
    """Whatever the browser says of it, which may be something else than for the page."""
    headers = {"Accept-Language": browser}
    app = web.Application()
    request = make_mocked_request("GET", f"/control/demo{query}", headers=headers, app=app)
    assert for_socket(request).language == language
