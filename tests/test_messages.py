"""The catalogues hold every text of the sources, and nothing else, in every language."""

from __future__ import annotations

import argparse
import ast
import importlib.util
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

from vncproxy.languages.catalogue import catalogue
from vncproxy.languages.po_file import Entry, entries

ROOT = Path(__file__).resolve().parents[1]
CATALOGUES = sorted((ROOT / "vncproxy" / "languages").glob("*.po"))
PLACEHOLDER = re.compile(r"\{\{?\w+\}\}?")
HOW_TO = "see .github/CONTRIBUTING.md, “a text”"


@cache
def updater() -> ModuleType:
    """.build/messages.py, which finds the messages of the sources."""
    spec = importlib.util.spec_from_file_location("messages", ROOT / ".build" / "messages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def in_sources() -> set[tuple[str, str, str]]:
    """Context, text and plural of every message of the sources."""
    found = set()
    for _, text, context in updater().found():
        one, many = text if isinstance(text, tuple) else (text, "")
        found.add((context or "", one, many))
    return found


def known(path: Path) -> list[Entry]:
    """What the daemon reads of a catalogue."""
    return entries(path.read_text("utf-8"))


def test_there_is_a_catalogue_besides_english() -> None:
    """The others would check nothing."""
    assert [path.name for path in CATALOGUES] == ["zh.po"]


def constants(of: ast.AST) -> Iterator[str]:
    """All texts in a source, its comments left out."""
    for node in ast.walk(of):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_what_is_listed_by_hand_is_in_the_sources() -> None:
    """The words that stand in braces, and what is no message, are still said somewhere."""
    module = updater()
    sources = [*(ROOT / "vncproxy").rglob("*.py"), Path(argparse.__file__)]
    texts = "\n".join(text for path in sources for text in constants(ast.parse(path.read_text())))
    pieces = [
        piece.strip()
        for text in (*module.WORDS, *module.NOT_ON_PAGES)
        for piece in re.split(r"\{\w+\}", text)
    ]
    assert [piece for piece in pieces if piece not in texts] == []
    names = [*module.SENTENCES, *module.FRAGMENTS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.stem)
def test_no_message_is_missing_and_none_unused(
    path: Path, in_sources: set[tuple[str, str, str]]
) -> None:
    """A text in a source is in the catalogue, and one that is in no source any more is not."""
    there = {(entry.context, entry.text, entry.plural) for entry in known(path)}
    assert sorted(in_sources - there) == [], f"missing: {HOW_TO}"
    assert sorted(there - in_sources) == [], f"unused: {HOW_TO}"


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.stem)
def test_every_message_is_translated(path: Path) -> None:
    """None is empty, and none is a guess from an earlier text."""
    bad = [
        entry.text
        for entry in known(path)
        if not entry.translations or not all(entry.translations) or "fuzzy" in entry.flags
    ]
    assert bad == [], HOW_TO


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.stem)
def test_placeholders_are_the_same(path: Path) -> None:
    """What stands in braces is there as often in each language; Chinese may repeat no number."""
    wrong = []
    for entry in known(path):
        wanted = Counter(PLACEHOLDER.findall(entry.plural or entry.text))
        for translation in entry.translations:
            if Counter(PLACEHOLDER.findall(translation)) != wanted:
                wrong.append((entry.text, translation))
    assert wrong == []


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.stem)
def test_ends_are_alike(path: Path) -> None:
    """A sentence ends as one in both, and a question asks in both."""
    ends = {".": "。", "?": "？", "…": "…"}
    wrong = [
        (entry.text, translation)
        for entry in known(path)
        for translation in entry.translations
        if (ends.get(entry.text[-1]) or "") not in translation[-1]
    ]
    assert wrong == []


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.stem)
def test_no_message_is_there_twice(path: Path) -> None:
    """The second one would win unseen."""
    count = Counter((entry.context, entry.text) for entry in known(path))
    assert [key for key, number in count.items() if number > 1] == []


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.stem)
def test_the_file_is_as_the_updater_leaves_it(path: Path) -> None:
    """Whoever runs it next changes only what is theirs; and Babel reads what the daemon reads."""
    module = updater()
    assert path.read_bytes() == module.updated(path), f"run .build/messages.py, {HOW_TO}"
    by_babel = {
        (message.context or "", message.id[0] if isinstance(message.id, tuple) else message.id)
        for message in module.read(path)
        if message.id
    }
    assert by_babel == {(entry.context, entry.text) for entry in known(path)}


PRINTS = frozenset({"print_line", "print_note", "print_problem", "print_prompt", "note", "say"})
WRAPS = re.compile(r"Finding|Text|counted|\w+Error")
COMMANDS = sorted((ROOT / "vncproxy" / "commands").glob("*.py"))
PREFIX = "vncproxy: "


def calls(path: Path) -> Iterator[tuple[ast.Call, str]]:
    """Calls of a source with texts, each with the name of what is called."""
    source = path.read_text("utf-8")
    if "import Text" not in source:
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node, node.func.id


def test_the_values_of_texts_are_those_of_their_messages() -> None:
    """None is missing, which would be found only once the text is needed, and none is too many."""
    wrong = []
    for path in sorted((ROOT / "vncproxy").rglob("*.py")):
        for call, name in calls(path):
            if name not in ("Text", "counted") or path.name == "text.py":
                continue
            messages = [one.value for one in call.args if isinstance(one, ast.Constant)]
            given = {word.arg for word in call.keywords} - {"context"}
            given |= {"count"} if name == "counted" else set()
            wrong += [
                f"{path.name}:{call.lineno}"
                for message in messages
                if isinstance(message, str) and set(re.findall(r"\{(\w+)\}", message)) != given
            ]
    assert wrong == []


def test_what_commands_print_can_be_translated() -> None:
    """Their words are a Text: a plain text would be English everywhere."""
    plain = []
    for path in COMMANDS:
        for call, name in calls(path):
            if name not in PRINTS and not WRAPS.fullmatch(name):
                continue
            if name in ("Text", "counted"):
                continue
            for given in call.args:
                words = ""
                if isinstance(given, ast.Constant) and isinstance(given.value, str):
                    words = given.value
                elif isinstance(given, ast.JoinedStr):
                    words = "".join(
                        str(one.value) for one in given.values if isinstance(one, ast.Constant)
                    )
                is_code = re.fullmatch(r"[a-z]+-[a-z-]+", words) or words == PREFIX
                if re.search(r"[A-Za-z]{2}", words) and not is_code:
                    plain.append(f"{path.name}:{call.lineno}: {words}")
    assert plain == []


@pytest.mark.parametrize(
    "text",
    [
        "audit.jsonl.1.gz isn't read: it is damaged, or cut short.",
        "audit.jsonl.1 isn't read: others may write to it (mode 0666).",
        "Between audit.jsonl.2 and audit.jsonl.1 records are missing.",
        "The audit file /a/audit.jsonl can't be used: it has a second name (a hard link).",
        "The folder for recordings can't be used: it is a link, or no folder.",
        "The cloud refused ecs:Foo (Bar). The log has the request id.",
        "web-1 is not shown by the cloud: only one that is Stopped can be started.",
        "The audit can't be written: a fault of the daemon, which its log describes, has ended its "
        "writing; restart it. Until it can, nothing is opened and control stays where it is.",
    ],
)
def test_what_a_sentence_has_put_in_is_translated(text: str) -> None:
    """Nothing of it stays English but names, which others chose."""
    english = re.sub(
        r"[\w./]*audit\.jsonl[\w.]*|web-1|Stopped|vncproxy|gz|ecs:Foo|Bar|ID",
        "",
        catalogue("zh").said(text),
    )
    assert re.findall(r"[A-Za-z]{2,}", english) == []
