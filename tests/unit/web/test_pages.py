"""The pages, and no other file of the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.web.conftest import House
from vncproxy.web import pages

STATIC = Path(pages.__file__).parent / "static"


PAGES = (
    ("/", "index.html"),
    ("/enter", "enter.html"),
    ("/console/demo", "console.html"),
    ("/console/whatever?view=1", "console.html"),
    ("/static/js/api.js", "js/api.js"),
    ("/static/css/base.css", "css/base.css"),
    ("/static/icon.svg", "icon.svg"),
)


async def test_pages_and_files(home: House) -> None:
    """They are the same for everybody, and hold nothing that isn't public."""
    for target, file in PAGES:
        answer = await home.ask(target)
        assert answer.status == 200, target
        assert answer.body == (STATIC / file).read_bytes(), target
        assert answer.headers["cache-control"] == "no-cache", target


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("js/api.js", "application/javascript"),
        ("css/base.css", "text/css"),
        ("icon.svg", "image/svg+xml"),
    ],
)
async def test_files_have_the_type_that_browsers_insist_on(
    home: House, file: str, kind: str
) -> None:
    """With nosniff a module of another type doesn't run."""
    found = (await home.ask(f"/static/{file}")).headers["content-type"]
    # Newer Pythons call scripts text. Source: RFC 9239, section 6.
    assert found.replace("text/javascript", "application/javascript").startswith(kind)


TRICKS = (
    "/static/../guard.py",
    "/static/%2e%2e/guard.py",
    "/static/..%2fguard.py",
    "/static/..%2f..%2f..%2f..%2f..%2f..%2fetc/passwd",
    "/static/js/../../guard.py",
    "/static/js/..%2f..%2fguard.py",
    "/static/..%5cguard.py",
    "/static/%252e%252e/guard.py",
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


async def test_path_tricks_lead_nowhere(home: House) -> None:
    """404, and no fault: no file outside of the pages' folder, no second name for a page."""
    for target in TRICKS:
        answer = await home.ask(target)
        assert (answer.status, answer.word) == (404, "not-found"), target
    assert not [e for e in home.setup.events if e["level"] == "error"]


async def test_a_link_out_of_the_folder_leads_nowhere(
    home: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A symbolic link is followed only within the folder."""
    folder = tmp_path / "static"
    folder.mkdir()
    (tmp_path / "secret").write_text("secret")
    (folder / "inside.js").write_text("// ours")
    (folder / "out.js").symlink_to(tmp_path / "secret")
    (folder / "in.js").symlink_to(folder / "inside.js")
    monkeypatch.setattr(pages, "_STATIC", folder)
    assert (await home.ask("/static/out.js")).status == 404
    assert (await home.ask("/static/in.js")).body == b"// ours"


def test_completeness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation without noVNC is noticed."""
    assert pages.is_complete()
    monkeypatch.setattr(pages, "_STATIC", tmp_path)
    assert not pages.is_complete()
