"""Texts that reach a terminal."""

from __future__ import annotations

import json
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from vncproxy.observe.escaping import escaped, escaped_json

TEXTS = st.text(st.characters(exclude_categories=()))


@given(TEXTS)
def test_nothing_is_left_that_moves_a_cursor(text: str) -> None:
    """Whatever came in; it can be encoded, and once is enough."""
    clean = escaped(text)
    assert clean.encode().decode() == clean
    assert not any(unicodedata.category(one) in ("Cc", "Cs", "Zl", "Zp") for one in clean)
    assert not any(unicodedata.bidirectional(one) in ("RLO", "LRO", "RLE", "PDF") for one in clean)
    assert escaped(clean) == clean


@given(TEXTS)
def test_layout_may_stay(text: str) -> None:
    """Tabs and line ends, as in a traceback."""
    kept = {one for one in escaped(text, keep_layout=True) if unicodedata.category(one) == "Cc"}
    assert kept <= {"\t", "\n"}


@given(st.dictionaries(TEXTS, TEXTS))
def test_json_means_the_same(value: dict[str, str]) -> None:
    """Only its spelling changes."""
    clean = escaped_json(json.dumps(value, ensure_ascii=False))
    assert json.loads(clean) == value
    assert escaped(clean) == clean


def test_other_texts_stay() -> None:
    """People's languages aren't control characters."""
    for text in ("web-1", "生产服务器", "café", "عربي", "👩‍💻"):
        assert escaped(text) == text
    assert escaped("\x1b[2J\u202e") == "\\x1b[2J\\u202e"
