"""Catalogues of gettext, as they are."""

from __future__ import annotations

import pytest

from vncproxy.languages.po_file import PoError, entries

CATALOGUE = r"""
msgid ""
msgstr ""
"Language: zh\n"

#. For a translator.
#: a/b.js c.html
#, fuzzy, python-brace-format
msgctxt "verb"
msgid "Open"
msgstr "打开"

#: d.js
msgid "{count} key"
msgid_plural "{count} keys"
msgstr[0] "{count} 键"

msgid ""
"A long \"text\"\n"
"of two lines"
msgstr ""
"长"
"文本"

#~ msgid "Gone"
#~ msgstr "无"
"""


def test_all_parts_of_an_entry() -> None:
    """Texts over several lines are one; the header and what is commented out are none."""
    verb, key, long = entries(CATALOGUE)
    assert (verb.context, verb.text, verb.translations) == ("verb", "Open", ["打开"])
    assert (verb.places, verb.flags) == (["a/b.js", "c.html"], ["fuzzy", "python-brace-format"])
    assert (key.text, key.plural) == ("{count} key", "{count} keys")
    assert key.translations == ["{count} 键"]
    assert (long.text, long.translations) == ('A long "text"\nof two lines', ["长文本"])


@pytest.mark.parametrize("text", ['msgid "a', '"a"', 'msgid "a"\nsomething else', "msgid a"])
def test_what_is_no_catalogue(text: str) -> None:
    """It is said, with the line."""
    with pytest.raises(PoError, match="not a line"):
        entries(text)
