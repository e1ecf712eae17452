"""Texts by their English ones."""

from __future__ import annotations

import json

from vncproxy.languages.catalogue import Catalogue, catalogue
from vncproxy.languages.po_file import Entry

ENTRIES = [
    Entry(text="Close", translations=["关闭"], places=["vncproxy/pages/js/a.js"]),
    Entry(text="Open", context="verb", translations=["打开"], places=["vncproxy/pages/js/a.js"]),
    Entry(
        text="{count} key",
        plural="{count} keys",
        translations=["{count} 键"],
        places=["vncproxy/pages/js/b.js"],
    ),
    Entry(text="Elsewhere", translations=["别处"], places=["vncproxy/errors.py"]),
]


def test_a_text_in_its_language() -> None:
    """What isn't there stays English."""
    zh = Catalogue("zh", ENTRIES)
    assert zh.text("Close") == "关闭"
    assert zh.text("Open") == "Open"
    assert zh.text("Open", "verb") == "打开"
    assert Catalogue("en").text("Close") == "Close"


def test_an_answer_s_texts() -> None:
    """Those for people, however deep; names and codes stay."""
    answer = {"text": "Elsewhere", "user": "Elsewhere", "rows": [{"why": "Elsewhere", "n": 1}]}
    assert Catalogue("zh", ENTRIES).answer(answer) == {
        "text": "别处",
        "user": "Elsewhere",
        "rows": [{"why": "别处", "n": 1}],
    }
    assert Catalogue("en").answer(answer) is answer


def test_the_pages_get_what_their_scripts_have() -> None:
    """As a script, whose value is JSON."""
    text = Catalogue("zh", ENTRIES).script().decode()
    start = "globalThis.vncproxyTexts = "
    assert text.startswith(start)
    assert json.loads(text.removeprefix(start).rstrip(";\n")) == {
        "language": "zh",
        "tag": "zh-CN",
        "messages": {"Close": "关闭", "verb\x04Open": "打开", "{count} key": "{count} 键"},
    }


def test_ours_are_read() -> None:
    """Each language has its file."""
    assert catalogue("zh").text("Instances") == "实例"
    assert catalogue("en").text("Instances") == "Instances"
