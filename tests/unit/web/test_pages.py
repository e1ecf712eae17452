"""The pages, and no other file of the machine."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import shutil
from html import unescape
from pathlib import Path
from typing import Any

import pytest

import vncproxy
from tests.owner_client import OwnerClient
from vncproxy.web.assets import ASSETS, Assets

pytestmark = pytest.mark.sockets

FOLDER = Path(vncproxy.__file__).parent / "pages"


PAGES = (
    ("/", "index.html"),
    ("/enter", "enter.html"),
    ("/admin", "admin.html"),
    ("/console/demo", "console.html"),
    ("/console/whatever?view=1", "console.html"),
)
FILES = (
    *("js/api.js", "css/base.css", "icon.svg", "novnc/core/rfb.js"),
    *("js/loading.js", "bundles/console.css", "bundles/console.js.map"),
)


async def test_pages(owner: OwnerClient) -> None:
    """They are the same for everybody, and checked each time; what they name may be kept."""
    for target, file in PAGES:
        answer = await owner.ask(target)
        assert answer.status == 200, target
        assert answer.body == ASSETS.page(file, "en").body, target
        named = set(re.findall(r'="(/static/[^"]+)"', answer.body.decode()))
        assert len(named) > 3, target
        for address in named:
            found = await owner.ask(address)
            assert found.status == 200, address
            assert "immutable" in found.headers["cache-control"], address
        assert answer.headers["cache-control"] == "no-cache", target
        assert answer.headers["content-type"] == "text/html; charset=utf-8"


async def test_pages_in_another_language(owner: OwnerClient) -> None:
    """By the browser's wish; with the file that gives their scripts their texts."""
    for target, _ in PAGES:
        english = await owner.ask(target)
        chinese = await owner.ask(target, "Accept-Language: zh-CN,zh;q=0.9,en;q=0.8")
        assert b'<html lang="zh-CN">' in chinese.body, target
        assert f"/static/{ASSETS.version}/texts/zh.js".encode() in chinese.body, target
        assert b"/texts/" not in english.body, target
        assert english.headers["etag"] != chinese.headers["etag"]
        for answer in (english, chinese):
            assert answer.headers["vary"] == "Accept-Encoding, Accept-Language, Cookie"
    texts = await owner.ask(f"/static/{ASSETS.version}/texts/zh.js")
    assert "实例".encode() in texts.body
    assert "immutable" in texts.headers["cache-control"]


async def test_a_page_admits_to_its_console(owner: OwnerClient) -> None:
    """Whom the console would be opened for; such a page is kept nowhere, and its ticket is good."""
    bearer = f"Authorization: Bearer {owner.token}"
    for query, may_control in (("", True), ("?view=1", False)):
        answer = await owner.ask(f"/console/demo{query}", bearer)
        given = _given(answer.body)
        assert given is not None
        assert given["may_control"] is may_control
        assert given["instance"]["alias"] == "demo"
        assert answer.headers["cache-control"] == "no-store"
        assert "etag" not in answer.headers
        more = query.replace("?", "&")
        assert given["stream"] == f"/websockify/demo?ticket={given['ticket']}&ahead=1{more}"
        socket = await owner.socket(given["stream"], origin=True)
        # All up to ServerInit without an answer.
        head = b"RFB 003.008\n" + b"\x01\x01" + bytes(4)
        assert (await socket.receive_bytes()).startswith(head[:12])
        await socket.close()
    packed = await owner.ask("/console/demo", bearer, "Accept-Encoding: gzip")
    assert packed.headers["content-encoding"] == "gzip"
    assert _given(gzip.decompress(packed.body)) is not None


async def test_a_page_is_without_admission_for_others(owner: OwnerClient) -> None:
    """They are told nothing, not even whether there is such an instance; nothing is recorded."""
    bearer = f"Authorization: Bearer {owner.token}"
    for target, *headers in (
        ("/console/demo",),
        ("/console/demo", "Authorization: Bearer wrong"),
        ("/console/nobody-has-this", bearer),
    ):
        answer = await owner.ask(target, *headers)
        assert answer.status == 200
        assert _given(answer.body) is None
        assert answer.headers["cache-control"] == "no-cache"


async def test_a_page_doesn_t_wait_for_a_slow_admission(
    owner: OwnerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its script asks for it then."""
    never = asyncio.Event()
    monkeypatch.setattr("vncproxy.web.pages.ADMISSION_PATIENCE_S", 0.0)
    monkeypatch.setattr("vncproxy.web.pages.admit", lambda request: never.wait())
    bearer = f"Authorization: Bearer {owner.token}"
    assert _given((await owner.ask("/console/demo", bearer)).body) is None
    never.set()


def _given(page: bytes) -> dict[str, Any] | None:
    """The admission in a console's page."""
    found = re.search(rb'<meta name="admission" content="([^"]*)">', page)
    assert found
    return json.loads(unescape(found[1].decode())) if found[1] else None


async def test_files(owner: OwnerClient) -> None:
    """By their version they may be kept for good, else they are checked each time."""
    for file in FILES:
        for prefix, cache in (("", "no-cache"), (f"{ASSETS.version}/", "immutable")):
            answer = await owner.ask(f"/static/{prefix}{file}")
            assert answer.status == 200, file
            assert answer.body == (FOLDER / file).read_bytes(), file
            assert cache in answer.headers["cache-control"], file
        assert (await owner.ask(f"/static/v-0123456789abcdef/{file}")).status == 404


async def test_what_the_browser_has_isn_t_sent_again(owner: OwnerClient) -> None:
    """Its tag is enough, of the plain and of the compressed form."""
    for accept in ("Accept-Encoding: identity", "Accept-Encoding: br, gzip"):
        first = await owner.ask("/static/js/loading.js", accept)
        tag = f"If-None-Match: {first.headers['etag']}"
        again = await owner.ask("/static/js/loading.js", accept, tag)
        assert (again.status, again.body, again.headers["etag"]) == (
            304,
            b"",
            first.headers["etag"],
        )
        assert (await owner.ask("/static/bundles/console.css", accept, tag)).status == 200
        assert first.headers["vary"] == again.headers["vary"] == "Accept-Encoding"


@pytest.mark.parametrize(
    ("accept", "packed"),
    [("gzip", True), ("deflate, GZIP;q=0.5", True), ("gzip;q=0, br", False), ("br", False)],
)
async def test_texts_are_compressed_for_who_takes_it(
    owner: OwnerClient, accept: str, packed: bool
) -> None:
    """A tunnel may be slow; what is sent is the same."""
    answer = await owner.ask("/static/bundles/console.js", f"Accept-Encoding: {accept}")
    whole = (FOLDER / "bundles/console.js").read_bytes()
    assert ("content-encoding" in answer.headers) is packed
    assert (gzip.decompress(answer.body) if packed else answer.body) == whole


async def test_a_source_map_is_sent_as_it_is(owner: OwnerClient) -> None:
    """Neither it nor its compressed form is kept in memory; its tag is enough here, too."""
    path = "/static/bundles/console.js.map"
    first = await owner.ask(path, "Accept-Encoding: gzip")
    assert "content-encoding" not in first.headers
    assert first.body == (FOLDER / "bundles/console.js.map").read_bytes()
    tag = f"If-None-Match: {first.headers['etag']}"
    again = await owner.ask(path, "Accept-Encoding: gzip", tag)
    assert (again.status, again.body) == (304, b"")


async def test_a_source_map_of_another_installation(
    owner: OwnerClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is none here: neither of one that is in this one's place, nor once it is gone."""
    folder = tmp_path / "pages"
    shutil.copytree(FOLDER, folder)
    monkeypatch.setattr("vncproxy.web.pages.ASSETS", Assets(folder))
    path = "bundles/enter.js.map"
    assert (await owner.ask(f"/static/{path}")).body == (FOLDER / path).read_bytes()
    (folder / path).write_text("of another version")
    assert (await owner.ask(f"/static/{path}")).status == 404
    shutil.rmtree(folder)
    assert (await owner.ask(f"/static/{path}")).status == 404
    assert (await owner.ask("/static/icon.svg")).status == 200


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("js/api.js", "application/javascript"),
        ("css/base.css", "text/css"),
        ("icon.svg", "image/svg+xml"),
    ],
)
async def test_files_have_the_type_that_browsers_insist_on(
    owner: OwnerClient, file: str, kind: str
) -> None:
    """With nosniff a module of another type doesn't run."""
    found = (await owner.ask(f"/static/{file}")).headers["content-type"]
    # Newer Pythons call scripts text. Source: RFC 9239, section 6.
    assert found.replace("text/javascript", "application/javascript").startswith(kind)


TRICKS = (
    f"/static/{ASSETS.version}",
    f"/static/{ASSETS.version}/",
    f"/static/{ASSETS.version}/../{ASSETS.version}/js/api.js",
    f"/static/{ASSETS.version}/{ASSETS.version}/js/api.js",
    "/static/../errors.py",
    "/static/%2e%2e/errors.py",
    "/static/..%2ferrors.py",
    "/static/..%2f..%2f..%2f..%2f..%2f..%2fetc/passwd",
    "/static/js/../../errors.py",
    "/static/js/..%2f..%2ferrors.py",
    "/static/..%5cerrors.py",
    "/static/%252e%252e/errors.py",
    "/static//etc/passwd",
    "/static/%2fetc%2fpasswd",
    "/static/js",
    "/static/js/",
    "/static/",
    "/static",
    "//static/js/api.js",
    "//evil.example/enter",
    "/static/js/api.js%00.html",
    "/static/%00",
    "/static/%ff",
    f"/static/{'a' * 300}",
    f"/static/{'a/' * 2500}",
    "/console",
    "/console/",
    "/console/demo/",
    "/console/../healthz",
    "/enter/",
    "/Enter",
    "/index.html",
    "/.",
)


async def test_path_tricks_lead_nowhere(owner: OwnerClient) -> None:
    """404, and no fault: no file outside of the pages' folder, no second name for a page."""
    for target in TRICKS:
        answer = await owner.ask(target)
        assert (answer.status, answer.word) == (404, "not-found"), target
    assert not [e for e in owner.setup.events if e["level"] == "error"]
