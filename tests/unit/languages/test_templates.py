"""The daemon's English texts in another language."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vncproxy import languages
from vncproxy.languages.catalogue import catalogue, is_heard
from vncproxy.languages.po_file import Entry, entries
from vncproxy.languages.templates import LONGEST, Templates

MESSAGES = Templates(
    [
        ("It is tried again.", "将自动重试。"),
        ("{whose} can't be reached.", "无法访问{whose}。"),
        ("the ECS API", "ECS API"),
        ("the proxy that {variable} names ({place})", "{variable} 指定的代理（{place}）"),
        ("{first} and {second} of them", "{second}、{first}"),
        ("{first} and {second} of them, so far", "{second}/{first}"),
        ("The disk is full; it failed{code}.", "磁盘已满{code}。"),
        ("{user} asks {user2} for {what}.", "{user} 向 {user2} 请求{what}。"),
        ("control", "控制权"),
    ]
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("It is tried again.", "将自动重试。"),
        ("it is tried again.", "将自动重试。"),
        ("The ECS API can't be reached. It is tried again.", "无法访问ECS API。将自动重试。"),
        ("The proxy that P names (h:1) can't be reached.", "无法访问P 指定的代理（h:1）。"),
        ("control asks control for control.", "control 向 control 请求控制权。"),
        ("x can't be reached.", "无法访问x。"),
        ("3 and 4 of them", "4、3"),
        ("3 and 4 of them, so far", "4/3"),
        ("The disk is full; it failed.", "磁盘已满。"),
        ("The disk is full; it failed (5).", "磁盘已满 (5)。"),
        ("Something else. It is tried again.", "Something else. 将自动重试。"),
        ("Something else.", "Something else."),
        ("{second} and {first} of them", "{first}、{second}"),
        ("", ""),
    ],
)
def test_a_text_is_found_by_its_words(text: str, said: str) -> None:
    """What stood in braces is taken over, itself translated if it is a message; others stay."""
    assert MESSAGES.translated(text) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "Opening this console is allowed only mon 03:00-03:01 (rule 4), and it is Mon 16:07 "
            "(UTC).",
            "仅限 周一 03:00-03:01（规则 4），现在是 周一 16:07（UTC）",
        ),
        (
            "You may open this console only mon-wed,fri 08:00-18:00, sat 09:00-12:00 (rule 1) and "
            "22:00-06:00 (rule 2) and sun 00:00-24:00 (rule 3).",
            "周一至周三、周五 08:00-18:00, 周六 09:00-12:00（规则 1）和 22:00-06:00（规则 2）和 "
            "周日 00:00-24:00（规则 3）",
        ),
        ("mon 03:00-03:01 (rule 4)", "周一 03:00-03:01（规则 4）"),
    ],
)
def test_hours_have_the_days_of_the_language(text: str, said: str) -> None:
    """Those of rules, and the time that it is; nothing else of them is another."""
    assert said in catalogue("zh").said(text)


def test_a_long_text_isn_t_looked_at() -> None:
    """Its length is what somebody else chose."""
    text = "It is tried again. " * LONGEST
    assert MESSAGES.translated(text) == text


def spoken() -> list[Entry]:
    """Our messages that the daemon has."""
    text = Path(languages.__file__).with_name("zh.po").read_text("utf-8")
    return [entry for entry in entries(text) if is_heard(entry)]


def test_no_message_of_ours_is_taken_for_another() -> None:
    """With anything in its braces, each is found by its own words."""
    wrong = []
    for entry in spoken():
        names = re.findall(r"\{(\w+)\}", entry.text)
        values = {name: f"<{number}>" for number, name in enumerate(names)}
        text, wanted = entry.text, entry.translations[0]
        for name, value in values.items():
            text = text.replace(f"{{{name}}}", value)
            wanted = wanted.replace(f"{{{name}}}", value)
        if catalogue("zh").said(text) != wanted:
            wrong.append((text, catalogue("zh").said(text)))
    assert wrong == []
    assert len(spoken()) > 200


def test_what_a_rule_gives_is_explained() -> None:
    """Words of the configuration stay, so that they are found there; the others are translated."""
    said = catalogue("zh").said("rule 3 (control, recorded, power, mon-fri 08:00-18:00) decides")
    assert said == "由规则 3（控制 control, 录制, 电源操作 power, 周一至周五 08:00-18:00）决定"
