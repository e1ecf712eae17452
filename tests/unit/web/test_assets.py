"""The pages' files in memory: all of one version, whatever becomes of the folder."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import shutil
from pathlib import Path

import pytest

from tests.real.peers.presence import miss
from vncproxy.languages.language import LANGUAGES
from vncproxy.web.assets import ASSETS, Assets

PAGES = Path(__file__).parents[3] / "vncproxy" / "pages"

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


@pytest.fixture
def with_bundles(folder: Path) -> Path:
    """The folder with what the build would have put there."""
    (folder / "css").mkdir()
    (folder / "bundles").mkdir()
    for name in ("a.css", "b.css"):
        (folder / "css" / name).write_text("")
    (folder / "index.html").write_text(
        '  <script src="/static/js/loading.js"></script>\n'
        '  <link rel="icon" href="/static/small.svg">\n'
        '  <link rel="stylesheet" href="/static/css/a.css">\n'
        '  <link rel="stylesheet" href="/static/css/b.css">\n'
        '  <script type="module" src="/static/js/x.js"></script>\n'
    )
    (folder / "js" / "loading.js").write_text("loading")
    for ending in ("css", "js", "js.map"):
        (folder / "bundles" / f"index.{ending}").write_text(ending)
    sources = ("css/a.css", "css/b.css", "index.html", "js/loading.js", "js/x.js")
    lines = (
        f"{one} {hashlib.sha256((folder / one).read_bytes()).hexdigest()}\n" for one in sources
    )
    digest = hashlib.sha256("".join(lines).encode()).hexdigest()
    (folder / "bundles" / "made-of").write_text(f"{digest}\n")
    return folder


def test_a_page_with_its_bundles(with_bundles: Path) -> None:
    """One script and one style sheet, called after their content, which the browser checks."""
    assets = Assets(with_bundles)
    assert assets.bundled
    page = assets.page("index.html", "en", "/vnc").body.decode()
    named = re.findall(r'"/vnc/static/([^"]+)"(?: integrity="sha384-([^"]+)")?', page)
    loading, icon, style, script = named
    assert loading == (f"js/loading-{_digest(b'loading')}.js", "")
    assert icon == (f"{assets.version}/small.svg", "")
    for address, integrity, ending in ((*style, "css"), (*script, "js")):
        body = ending.encode()
        assert address == f"bundles/index-{_digest(body)}.{ending}"
        assert base64.b64decode(integrity) == hashlib.sha384(body).digest()
        found = assets.file(address)
        assert found is not None
        assert (found[0].body, found[1]) == (body, True)
    assert page.count("<link") == page.count("<script") == 2
    found = assets.from_disk("bundles/index.js.map")
    assert found is not None
    assert found[1] is False
    assert assets.file("bundles/index-0123456789abcdef.js") is None


def test_what_is_in_bundles_stays_on_the_disk(with_bundles: Path) -> None:
    """With the source maps; memory has what pages load."""
    assets = Assets(with_bundles)
    assert assets.names == [
        *("bundles/index.css", "bundles/index.js", "bundles/made-of", "index.html"),
        *("js/loading.js", "small.svg", "texts/zh.js"),
    ]
    left = {"bundles/index.js.map": b"js.map", "css/a.css": b"", "js/x.js": SCRIPT}
    for name, body in left.items():
        for path, lasting in ((name, False), (f"{assets.version}/{name}", True)):
            assert assets.file(path) is None
            assert assets.is_on_disk(path)
            found = assets.from_disk(path)
            assert found is not None
            assert (found[0].body, found[1]) == (body, lasting)
    for path in ("js/loading.js", "bundles/index.js", "v-0123456789abcdef/js/x.js", "", "js"):
        assert not assets.is_on_disk(path)


def test_what_another_installation_has_is_nothing_of_this_one(with_bundles: Path) -> None:
    """A file that was changed or that is gone isn't there, whatever was read of it before."""
    assets = Assets(with_bundles)
    assert assets.from_disk("js/x.js") is not None
    (with_bundles / "js" / "x.js").write_bytes(SCRIPT + b" ")
    assert assets.from_disk("js/x.js") is None
    shutil.rmtree(with_bundles)
    assert assets.from_disk("bundles/index.js.map") is None


@pytest.mark.parametrize("change", ["js/x.js", "css/b.css", "index.html", "js/new.js", "bundles"])
def test_bundles_of_other_sources_are_left_alone(with_bundles: Path, change: str) -> None:
    """Who changes a script in a checkout sees it at once."""
    if change == "bundles":
        shutil.rmtree(with_bundles / change)
    else:
        path = with_bundles / change
        path.write_text(f"{path.read_text() if path.exists() else ''} ")
    assets = Assets(with_bundles)
    assert not assets.bundled
    page = assets.page("index.html", "en").body.decode()
    for name in ("css/a.css", "css/b.css", "js/x.js"):
        assert f'"/static/{assets.version}/{name}"' in page
    assert "integrity" not in page


def test_what_loads_a_page_anew_is_there_for_every_version(with_bundles: Path) -> None:
    """A page of another version finds this one's, which it doesn't keep."""
    assets = Assets(with_bundles)
    for tag, lasting in ((_digest(b"loading"), True), ("0123456789abcdef", False)):
        found = assets.file(f"js/loading-{tag}.js")
        assert found is not None
        assert (found[0].body, found[1]) == (b"loading", lasting)


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:16]


MOST_BYTES = 250_000
"""Of all that a page loads, compressed. Source: issue 11, 7."""


@pytest.mark.parametrize("name", sorted(path.name for path in PAGES.glob("*.html")))
def test_the_bundles_of_this_installation(name: str) -> None:
    """What a page names is there, is what it is called after, is of this site, and isn't much."""
    if not ASSETS.bundled:
        miss("the bundles are older than the sources: run .build/pages/build_hook.py")
    total = 0
    for language in LANGUAGES:
        page = ASSETS.page(name, language)
        text = page.body.decode()
        addresses = re.findall(r'(?:src|href)="([^"]*)"', text)
        assert not [one for one in addresses if not re.match(r"#|/(?!/)", one)]
        named = [one.removeprefix("/static/") for one in addresses if one.startswith("/static/")]
        total = len(page.gzipped or page.body)
        for address in set(named):
            found = ASSETS.file(address)
            assert found is not None, address
            asset, lasting = found
            assert lasting, address
            if not address.endswith("LICENSE.txt"):
                total += len(asset.gzipped or asset.body)
        for address, integrity in re.findall(
            r'="/static/(bundles/[^"]+)" integrity="sha384-([^"]+)"', text
        ):
            found = ASSETS.file(address)
            assert found is not None, address
            asset = found[0]
            assert f"-{_digest(asset.body)}." in address
            assert base64.b64decode(integrity) == hashlib.sha384(asset.body).digest()
        assert text.count("integrity=") == text.count("/static/bundles/") == 2
        assert 1_000 < total < MOST_BYTES, name


def test_the_source_maps_of_this_installation() -> None:
    """Each bundle has its own, with the sources in it, by paths within the pages."""
    if not ASSETS.bundled:
        miss("the bundles are older than the sources: run .build/pages/build_hook.py")
    bundles = [
        one for one in ASSETS.names if one.startswith("bundles/") and one[-3:] in (".js", "css")
    ]
    assert len(bundles) > 8
    for name in bundles:
        bundle = ASSETS.file(name)
        found = ASSETS.from_disk(f"{name}.map")
        assert bundle is not None and found is not None, name
        assert f"sourceMappingURL={Path(name).name}.map".encode() in bundle[0].body
        sources = json.loads(found[0].body)
        assert len(sources["sources"]) == len(sources["sourcesContent"]) > 0
        for source in sources["sources"]:
            assert (PAGES / "bundles" / source).resolve().is_relative_to(PAGES), source


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
