"""Texts in HTML: found, and exchanged."""

from __future__ import annotations

from pathlib import Path

import pytest

from vncproxy.languages.catalogue import Catalogue
from vncproxy.languages.markup import texts, translated
from vncproxy.languages.po_file import Entry

PAGES = Path(__file__).resolve().parents[3] / "vncproxy" / "pages"
PAGE = """<!doctype html>
<html lang="en">
<head><title>Close it</title><script src="/a b.js"></script></head>
<body>
  <!-- Close it -->
  <p title="Say “no”" class="Close it">  Close it
<a href="/" translate="no">Close it<b>Close it</b></a>.</p>
  <img src="x" alt="Close it"><input placeholder="Close it"><kbd>Close it</kbd> &amp; &#38;
</body>
</html>
"""
ZH = Catalogue(
    "zh",
    [Entry(text="Close it", translations=["关<闭"]), Entry(text="Say “no”", translations=['"不"'])],
)


def test_texts_are_found_in_their_order() -> None:
    """Between tags and in attributes for people; not where it says that nothing is translated."""
    assert texts(PAGE) == ["Close it", "Say “no”", "Close it", "Close it", "Close it"]


def test_another_language_changes_texts_only() -> None:
    """Markup stays as it was, and a translation can't become markup."""
    page = translated(PAGE, ZH)
    assert '<html lang="zh-CN">' in page
    assert "<title>关&lt;闭</title>" in page
    assert 'title="&quot;不&quot;" class="Close it">  关&lt;闭\n<a' in page
    assert 'translate="no">Close it<b>Close it</b></a>.' in page
    assert 'alt="关<闭"' in page
    assert "<!-- Close it -->" in page
    assert "<kbd>Close it</kbd> &amp; &#38;" in page


@pytest.mark.parametrize("page", sorted(PAGES.glob("*.html")), ids=lambda page: page.name)
def test_our_pages_pass_unchanged(page: Path) -> None:
    """With no translations, what comes out is what went in."""
    source = page.read_text("utf-8")
    assert translated(source, Catalogue("en")) == source
    assert "&" not in "".join(texts(source)), "a text has no entities: it is compared as it is"
