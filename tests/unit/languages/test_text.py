"""English texts that know their message."""

from __future__ import annotations

import copy
import json

import pytest

from vncproxy.languages.catalogue import Catalogue
from vncproxy.languages.po_file import Entry
from vncproxy.languages.text import Text, counted, in_lines, shortened

ZH = Catalogue(
    "zh",
    [
        Entry(text="{path} is {state}", translations=["{path}：{state}"]),
        Entry(text="open", translations=["打开"]),
        Entry(text="open", context="time", translations=["打开时长"]),
        Entry(text="{count} key", plural="{count} keys", translations=["{count} 键"]),
        Entry(text="{why}; again", translations=["{why}；再来"]),
        Entry(text="It ended.", translations=["已结束。"], places=["vncproxy/errors.py"]),
        Entry(text="no {what}.", translations=["没有{what}。"], places=["vncproxy/errors.py"]),
    ],
)


def test_it_is_english_for_whoever_does_not_ask() -> None:
    """Log, JSON and comparisons have the words with their values."""
    text = Text("{path} is {state}", path="/a{b}", state=Text("open"))
    assert text == "/a{b} is open"
    assert json.dumps({"text": text}) == '{"text": "/a{b} is open"}'
    assert type(text.english) is str
    assert str(ValueError(text)) is text
    assert copy.deepcopy(text) == text
    assert Catalogue("en").said(text) == text


def test_its_message_is_translated_not_its_words() -> None:
    """A value that is a text is translated, too; any other stays, whatever it says."""
    assert ZH.said(Text("{path} is {state}", path="open", state=Text("open"))) == "open：打开"
    assert ZH.said(Text("open", context="time")) == "打开时长"
    assert ZH.said(Text("not {this}", this=Text("open"))) == "not 打开"


def test_a_finished_text_is_looked_for() -> None:
    """What came over a connection has lost its message."""
    assert ZH.said(Text("no open.")) == "没有open。"
    assert ZH.said("no window.") == "没有window。"
    assert Text(Text("open", context="time")).context == "time"


def test_a_value_that_is_missing() -> None:
    """It shows where the text is made."""
    with pytest.raises(KeyError):
        Text("{path} is {state}", path="x")


def test_numbers() -> None:
    """One is one; a language may have one form for all."""
    told = [counted(n, "{count} key", "{count} keys") for n in (0, 1, 2)]
    assert told == ["0 keys", "1 key", "2 keys"]
    assert [ZH.said(text) for text in told] == ["0 键", "1 键", "2 键"]


def test_a_sentence_within_another() -> None:
    """It has no full stop before a semicolon, in any language."""
    text = Text("{why}; again", why=Text("It ended."))
    assert text == "It ended; again"
    assert ZH.said(text) == "已结束；再来"


def test_lines() -> None:
    """Each in its language."""
    text = in_lines([Text("open"), "x", Text("It ended.")])
    assert text == "open\nx\nIt ended."
    assert ZH.said(text) == "打开\nx\n已结束。"
    assert in_lines(["x"]) == "x"


def test_of_many_names_the_first() -> None:
    """And how many more there are; as they are where all are told."""
    assert shortened(["a", "b"], 2) == "a, b"
    assert shortened(["a", "b", "c", "d"], 2) == "a, b and 2 more"
    assert shortened(["a", "b", "c"], 2, " ") == "a b and 1 more"
    assert isinstance(shortened(["a", "b"], 1), Text)
