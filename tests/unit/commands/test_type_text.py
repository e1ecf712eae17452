"""`vncproxy type`: its arguments; what it sends is tested in test_key_sender.py and real/."""

from __future__ import annotations

import io
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.commands.surroundings import options_of, refuses
from vncproxy.cli import main
from vncproxy.commands.command import FAILED
from vncproxy.commands.key_sender import PACES
from vncproxy.commands.keyboard import PAGES, layout_names
from vncproxy.commands.keystrokes import text_strokes
from vncproxy.commands.type_text import read_text, strokes_for
from vncproxy.errors import LocalError


def test_its_arguments() -> None:
    """A text or a file, a layout, a pace."""
    options = options_of("type", "web-1", "ls", "--layout", "de")
    assert (options.text, options.file, options.layout, options.pace) == (
        "ls",
        None,
        "de",
        "normal",
    )
    assert options_of("type", "web-1", "--", "-hello").text == "-hello"
    assert refuses("type", "web-1")
    assert refuses("type", "web-1", "ls", "--file", "-")
    assert refuses("type", "", "ls")
    assert refuses("type", "web-1", "")
    assert refuses("type", "web-1", "ls", "--layout", "dvorak")


def test_help_has_the_layouts_and_the_pages_paces(capsys: pytest.CaptureFixture[str]) -> None:
    """All of them."""
    with pytest.raises(SystemExit):
        main(["type", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert f"{', '.join(layout_names()[:-1])} or {layout_names()[-1]};" in text
    careful, normal, fast = PACES.values()
    assert f"{careful}, {normal} or {fast} characters a second" in text
    page = (PAGES / "console.html").read_text("utf-8")
    select = page[page.index('id="paste-pace"') :].partition("</select>")[0]
    assert list(map(int, re.findall(r'value="(\d+)"', select))) == [*PACES.values()]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("é", "not on the keyboard us: é; nothing was typed"),
        ("x" * 20_001, "at most 20000 characters are typed at once"),
    ],
)
def test_what_cannot_be_typed(capsys: pytest.CaptureFixture[str], text: str, problem: str) -> None:
    """Said before any daemon is asked."""
    assert main(["type", "web-1", text]) == FAILED
    assert f"vncproxy: {problem}" in capsys.readouterr().err


def test_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is, but for the mark of UTF-8; or what comes on the standard input."""
    file = tmp_path / "text"
    file.write_bytes(b"\xef\xbb\xbfl\xc3\xa4s\n")
    assert read_text(str(file), 100) == "läs\n"
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"ls\r\n")))
    assert read_text("-", 100) == "ls\r\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "can't be read: No such file or directory"),
        (b"\xff\xfe", "is no text in UTF-8"),
        (b"12345", "is too long: at most 4 bytes are read"),
    ],
)
def test_a_file_that_cannot_be_typed(tmp_path: Path, content: bytes | None, words: str) -> None:
    """In words, with its name."""
    file = tmp_path / "text"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(LocalError) as refused:
        read_text(str(file), 4)
    assert str(refused.value) == f"{file} {words}"


def guest(caps_lock: bool | None, *, windows: bool = False) -> Any:
    """An instance whose keyboard is like this."""
    screen = SimpleNamespace(caps_lock=caps_lock)
    return SimpleNamespace(alias="web-1", windows=windows, screen=screen)


def test_caps_lock_in_the_guest() -> None:
    """It is made up for; where it turns more than letters around, nothing is typed."""
    assert strokes_for(guest(True), "a", "de") == text_strokes("a", "de", caps_lock=True)
    assert strokes_for(guest(None), "a", "de") == text_strokes("a", "de")
    german = text_strokes("~", "fr", windows=True)
    assert strokes_for(guest(False, windows=True), "~", "fr") == german
    with pytest.raises(LocalError, match=r"web-1: Caps Lock is on, .*: vncproxy key "):
        strokes_for(guest(True, windows=True), "a", "de")
