"""Which language somebody reads."""

from __future__ import annotations

import pytest

from vncproxy.languages.language import accepted, known, of_environment


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-GB,en;q=0.9,zh;q=0.8", "en"),
        ("ZH-cn", "zh"),
        ("zh-TW", "zh"),
        ("zh_CN,en;q=0.5", "zh"),
        ("cmn-Hans-CN", "zh"),
        ("CMN", "zh"),
        ("zho-CN,en;q=0.1", "zh"),
        ("chi", "zh"),
        ("zh-Hant-HK,en;q=0.9", "zh"),
        ("yue-HK,en;q=0.9", "zh"),
        ("de,fr;q=0.9", "en"),
        ("de,zh;q=0.3,en;q=0.2", "zh"),
        ("zh;q=0,en;q=0.1", "en"),
        ("zh; q=0.2, en; q=0.9", "en"),
        ("zh;q=x,en;q=0.1", "en"),
        ("zh;q=7,en;q=0.1", "en"),
        ("zh;q=nan", "en"),
        ("*", "en"),
        (";;,,=,", "en"),
    ],
)
def test_the_browser_s_first_of_ours(header: str, language: str) -> None:
    """By weight, then by order; English where none of ours is named."""
    assert accepted(header) == language


def test_a_long_header_is_read_in_part() -> None:
    """What somebody sends costs little."""
    assert accepted("de," * 5000 + "zh") == "en"


@pytest.mark.parametrize(
    ("environ", "language"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_MESSAGES": "en_US.UTF-8"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "zh_CN"}, "zh"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "zh.UTF-8"}, "zh"),
        ({"LC_ALL": "", "LANG": "zh_CN"}, "zh"),
        ({"LANG": "zho_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_TW.UTF-8"}, "zh"),
        ({"LANG": "zh_CN@pinyin"}, "zh"),
        ({"LANG": "en_US.UTF-8", "LANGUAGE": "zh_CN:en"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LANGUAGE": "en_GB:en"}, "en"),
        ({"LANG": "zh_CN.UTF-8", "LANGUAGE": "de:fr"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LANGUAGE": ""}, "zh"),
        ({"LANG": "C.UTF-8", "LANGUAGE": "zh_CN"}, "en"),
        ({"LANGUAGE": "zh_CN"}, "en"),
    ],
)
def test_the_terminal_s(environ: dict[str, str], language: str) -> None:
    """The first variable that is set counts."""
    assert of_environment(environ) == language


def test_names() -> None:
    """Only ours are known."""
    assert (known("zh"), known("en"), known("de"), known("")) == ("zh", "en", None, None)
