"""The language of a page: choice, configuration, browser."""

from __future__ import annotations

from typing import Literal

import pytest
from aiohttp.test_utils import make_mocked_request

from vncproxy.web.page_language import COOKIE, language_of


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
