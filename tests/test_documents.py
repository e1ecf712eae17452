"""The documents: their links lead somewhere, and their tables say what the code says."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest

from vncproxy.audit.record import Event
from vncproxy.cli import parser
from vncproxy.errors import CloseCode
from vncproxy.languages.po_file import entries
from vncproxy.observe.metrics import Metrics
from vncproxy.web.server import routes

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = (
    "README.md",
    "README.zh-CN.md",
    "CHANGELOG.md",
    "config/README.md",
    "config/recording-format.md",
    "systemd/README.md",
    "tests/README.md",
    ".github/CONTRIBUTING.md",
    ".github/SECURITY.md",
)
README_MAX_LINES = 150
PICTURE_MAX_BYTES = 150_000

_LINK = re.compile(r"\]\(([^)\s]+)\)")
_BLOCK = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)


def text_of(name: str) -> str:
    """A document."""
    return (ROOT / name).read_text()


def first_cells(name: str, heading: str) -> list[str]:
    """What stands in backticks in the first cells of the table below a heading."""
    section = text_of(name).partition(f"\n{heading}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \|", section, re.MULTILINE)
    return [word for cell in rows for word in re.findall(r"`([^`]+)`", cell)]


def anchors(name: str) -> set[str]:
    """The fragments by which a document's headings are reached, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", _BLOCK.sub("", text_of(name)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_leads_somewhere(name: str) -> None:
    """To a file of this project, and to a heading in it."""
    for link in _LINK.findall(text_of(name)):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / name).parent / path if path else ROOT / name
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.resolve().relative_to(ROOT).as_posix()), link


def test_readme_leads_to_every_document() -> None:
    """None is found by chance only."""
    links = {link.partition("#")[0] for link in _LINK.findall(text_of("README.md"))}
    beside = {"README.md", "config/recording-format.md"}
    assert set(DOCUMENTS) - beside <= links
    assert "recording-format.md" in _LINK.findall(text_of("config/README.md"))


def test_readme_is_short() -> None:
    """What is read before anything runs; the rest stands beside what it is about."""
    assert len(text_of("README.md").splitlines()) <= README_MAX_LINES
    assert 0 < (ROOT / ".github" / "console.png").stat().st_size <= PICTURE_MAX_BYTES


def test_both_languages_say_the_same() -> None:
    """The same headings, commands, examples and links, in the same order."""
    english, chinese = text_of("README.md"), text_of("README.zh-CN.md")
    assert _BLOCK.findall(chinese) == _BLOCK.findall(english)
    levels = [re.findall(r"^#+ ", one, re.MULTILINE) for one in (english, chinese)]
    assert levels[0] == levels[1]
    links = [
        [link for link in _LINK.findall(one) if not link.startswith("README")]
        for one in (english, chinese)
    ]
    assert sorted(links[0]) == sorted(links[1])
    rows = [re.findall(r"^\| `vncproxy [^|]+\|", one, re.MULTILINE) for one in (english, chinese)]
    assert [re.findall(r"`[^`]+`", row) for row in rows[0]] == [
        re.findall(r"`[^`]+`", row) for row in rows[1]
    ]


def test_the_chinese_one_quotes_what_the_pages_say() -> None:
    """Each text in its quotation marks is one of a page in Chinese; a console has one word."""
    chinese = text_of("README.zh-CN.md")
    said = [
        re.sub(r"\\\{\w+\\\}", ".+", re.escape(translation))
        for entry in entries(text_of("vncproxy/languages/zh.po"))
        for translation in entry.translations
        if re.search("[\u4e00-\u9fff]", translation)
    ]
    quoted = re.findall("“(.+?)”", chinese)
    assert len(quoted) > 10
    assert [one for one in quoted if not any(re.fullmatch(text, one) for text in said)] == []
    assert "控制台" not in chinese
    # No card's title is quoted in English: what commands say is.
    assert re.findall(r"^\| \*([A-Z].+?)\*", chinese, re.MULTILINE) == []


def commands_of(made: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The parsers of all commands by their words; where a command has acts, each of them."""
    found: dict[str, argparse.ArgumentParser] = {}
    for action in made._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, inner in action.choices.items():
                acts = commands_of(inner)
                found |= {f"{name} {act}": one for act, one in acts.items()} or {name: inner}
    return found


def rows_of_commands(name: str) -> list[tuple[list[str], str]]:
    """The table of commands: those of each row by their words, and the whole row."""
    rows: list[tuple[list[str], str]] = []
    for row in re.findall(r"^\| `vncproxy .+\|$", text_of(name), re.MULTILINE):
        usages = re.findall(r"`([^`]+)`", row.split(" | ")[0])
        words: list[str] = []
        for usage in usages:
            typed = re.match(r"[a-z -]*[a-z]\b(?![A-Z])", usage.removeprefix("vncproxy "))
            assert typed is not None, usage
            plain = re.sub(r" --.*", "", typed[0])
            # `vncproxy user add`, `remove`: acts of the command before.
            beside = "" if usage.startswith("vncproxy ") else f"{words[-1].split()[0]} "
            words.append(beside + plain)
        rows.append((words, row))
    return rows


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_the_table_of_commands(name: str) -> None:
    """Every command is there and none more; each option and argument of a row exists."""
    commands = commands_of(parser())
    rows = rows_of_commands(name)
    assert {words for row, _ in rows for words in row} == set(commands)
    for row, text in rows:
        actions = [action for words in row for action in commands[words]._actions]
        options = {option for action in actions for option in action.option_strings}
        assert set(re.findall(r"--[a-z][a-z0-9-]*", text)) <= options, row
        metavars = {action.metavar for action in actions}
        assert set(re.findall(r"\b[A-Z]{2,}\b", text.split(" | ")[0])) <= metavars, row


def test_every_close_code_is_reported() -> None:
    """Code and reason word, in order; none that isn't sent."""
    rows = re.findall(r"^\| (\d{4}) \| `([a-z-]+)` \|", text_of("config/README.md"), re.MULTILINE)
    sent = [code for code in CloseCode if code is not CloseCode.VIEWER_LEFT]
    assert rows == [(str(int(code)), code.word) for code in sent]


def test_every_event_of_the_audit_is_reported() -> None:
    """Each once."""
    listed = first_cells("config/README.md", "## The audit")
    assert sorted(listed) == sorted(["event", *Event])


def test_every_metric_is_reported() -> None:
    """By the name under which Prometheus has it."""
    listed = first_cells("systemd/README.md", "## Watching")
    rendered = Metrics("1").render().decode()
    families = re.findall(r"^# TYPE (vncproxy_\w+) ", rendered, re.MULTILINE)
    assert sorted(one for one in listed if one.startswith("vncproxy_")) == sorted(
        one for one in families if not one.endswith("_created")
    )


def test_every_route_is_reported() -> None:
    """With its method; what a page loads by itself is no interface."""
    section = text_of("config/README.md").partition("## The HTTP API")[2]
    for route in routes(""):
        path = route.path
        if path.startswith("/static/"):
            continue
        listed = (f"`{route.method} {path}", f"`{path}")
        assert any(one in section for one in listed), listed


def test_contributing_names_what_is_there() -> None:
    """Every file of the package and of the tests that CONTRIBUTING.md names exists."""
    text = (ROOT / ".github" / "CONTRIBUTING.md").read_text("utf-8")
    named = set(re.findall(r"`((?:vncproxy|tests)/[\w/.]+)`", text))
    assert len(named) > 20
    missing = [name for name in sorted(named) if not (ROOT / name).exists()]
    assert [name for name in missing if "NAME" not in name] == []


def test_the_threat_model_names_tests_that_are_there() -> None:
    """Each row says by which tests it is kept, and each of them is a file."""
    text = text_of(".github/SECURITY.md")
    section = text.partition("\n## Threat model\n")[2].partition("\n## ")[0]
    rows = [line.split("|") for line in section.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 15
    for _, what, *_, tests, _ in rows:
        named = re.findall(r"`(tests/[\w/.]+)`", tests)
        assert named, what
        assert [name for name in named if not (ROOT / name).is_file()] == [], what
