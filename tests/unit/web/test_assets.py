"""The pages' files in memory: all of one version, whatever becomes of the folder."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import pytest

from vncproxy.web.assets import ASSETS, Assets

SCRIPT = b"export const x = 1;\n" * 50


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A page, a script and a picture."""
    made = tmp_path / "static"
    (made / "js").mkdir(parents=True)
    (made / "index.html").write_text('<script src="/static/js/x.js"></script><a href="/">x</a>')
    (made / "js" / "x.js").write_bytes(SCRIPT)
    (made / "small.svg").write_text("<svg/>")
    return made


def test_a_folder_that_is_gone_is_served_all_the_same(folder: Path) -> None:
    """Everything was read at the start."""
    assets = Assets(folder)
    shutil.rmtree(folder)
    found = assets.file("js/x.js")
    assert found is not None
    asset, lasting = found
    assert (asset.body, asset.content_type, lasting) == (SCRIPT, "text/javascript", False)
    assert asset.gzipped is not None
    assert gzip.decompress(asset.gzipped) == SCRIPT


def test_a_page_names_its_files_by_their_version(folder: Path) -> None:
    """And by that they are found, never to be another."""
    assets = Assets(folder)
    page = assets.page("index.html", "en").body.decode()
    assert page == f'<script src="/static/{assets.version}/js/x.js"></script><a href="/">x</a>'
    found = assets.file(f"{assets.version}/js/x.js")
    assert found is not None
    assert (found[0].body, found[1]) == (SCRIPT, True)


def test_a_page_below_a_path(folder: Path) -> None:
    """All of its addresses begin with that, and its scripts can read it."""
    (folder / "index.html").write_text(
        '<meta name="base-path" content=""><script src="/static/js/x.js"></script><a href="/">x</a>'
    )
    assets = Assets(folder)
    page = assets.page("index.html", "en", "/vnc")
    assert page.body.decode() == (
        f'<meta name="base-path" content="/vnc">'
        f'<script src="/vnc/static/{assets.version}/js/x.js"></script><a href="/vnc/">x</a>'
    )
    assert assets.page("index.html", "en", "/vnc") is page
    root = assets.page("index.html", "en")
    assert b"/vnc" not in root.body
    assert root.tag != page.tag


@pytest.mark.parametrize("change", ["content", "name", "new"])
def test_another_version_has_nothing_of_this_one(folder: Path, change: str) -> None:
    """Any difference anywhere is another version, whose addresses lead nowhere here."""
    before = Assets(folder)
    match change:
        case "content":
            (folder / "small.svg").write_text("<svg></svg>")
        case "name":
            (folder / "small.svg").rename(folder / "tiny.svg")
        case _:
            (folder / "js" / "y.js").write_bytes(b"")
    after = Assets(folder)
    assert after.version != before.version
    assert after.file(f"{before.version}/js/x.js") is None
    assert Assets(folder).version == after.version


def test_what_is_small_or_is_no_text_isn_t_compressed(folder: Path) -> None:
    """It would be no gain."""
    (folder / "picture.png").write_bytes(bytes(10_000))
    assets = Assets(folder)
    for path in ("small.svg", "picture.png"):
        found = assets.file(path)
        assert found is not None
        assert found[0].gzipped is None


def test_a_link_out_of_the_folder_leads_nowhere(folder: Path, tmp_path: Path) -> None:
    """A symbolic link is followed only within the folder."""
    (tmp_path / "secret").write_text("secret")
    (folder / "out.js").symlink_to(tmp_path / "secret")
    (folder / "in.js").symlink_to(folder / "js" / "x.js")
    assets = Assets(folder)
    assert assets.file("out.js") is None
    found = assets.file("in.js")
    assert found is not None
    assert found[0].body == SCRIPT


def test_completeness(tmp_path: Path) -> None:
    """An installation without noVNC is noticed."""
    assert ASSETS.has_novnc
    assert not Assets(tmp_path / "missing").has_novnc
