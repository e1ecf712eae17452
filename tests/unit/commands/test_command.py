"""Every command: its help has examples, and the real parser takes them."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from vncproxy.cli import COMMANDS, main, parser
from vncproxy.commands import audit, user
from vncproxy.commands.command import (
    Command,
    Parser,
    add_commands,
    add_config,
    add_instance,
    add_json,
    examples_text,
    host_port,
)
from vncproxy.commands.help_language import HelpFormatter


def every_command() -> Iterator[tuple[tuple[str, ...], Command]]:
    """Each command by its words, and each act of one that has several."""
    acts = {"user": user.ACTS, "audit": (audit.VERIFY,)}
    for command in COMMANDS:
        yield (command.name,), command
        for act in acts.get(command.name, ()):
            yield (command.name, act.name), act


EVERY = list(every_command())


@pytest.mark.parametrize(("words", "command"), EVERY, ids=[" ".join(words) for words, _ in EVERY])
def test_its_examples(
    words: tuple[str, ...], command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    """The help shows them, each on its line; they run this command and no other."""
    with pytest.raises(SystemExit) as end:
        main([*words, "--help"])
    assert end.value.code == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert command.examples
    for example in command.examples:
        assert example in lines
        program, *arguments = shlex.split(example)
        assert program == "vncproxy"
        assert tuple(arguments[: len(words)]) == words
        run = parser().parse_args(arguments).run
        assert run is command.run or (command.run is None and run is not None)


def test_commands_with_acts_say_so() -> None:
    """Only those whose arguments are acts have nothing to run."""
    assert [command.name for command in COMMANDS if command.run is None] == ["user", "audit"]
    assert {len(words) for words, _ in EVERY} == {1, 2}
    assert len(EVERY) == len(COMMANDS) + 4


def test_a_command_inside_a_command() -> None:
    """What runs is the innermost one's."""

    def run(options: argparse.Namespace) -> int:
        return 3

    act = Command("act", "acts", ("x outer act",), lambda parser: None, run)
    outer = Command("outer", "has acts", (), lambda p: add_commands(p, [act], "ACT"), None)
    made = argparse.ArgumentParser(exit_on_error=False)
    add_commands(made, [outer], "COMMAND")
    assert made.parse_args(["outer", "act"]).run is run
    with pytest.raises(SystemExit):
        made.parse_args(["outer"])


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("web-1 hello", "hello"),
        ("web-1 --config a.toml hello", "hello"),
        ("--config a.toml web-1 hello", "hello"),
        ("web-1 --config a.toml -- -hello", "-hello"),
        ("-- web-1 -hello", "-hello"),
        ("--config a.toml -- web-1 -hello", "-hello"),
        ("web-1 -", "-"),
        ("web-1 --config a.toml", None),
    ],
)
def test_an_argument_may_come_after_an_option(line: str, text: str | None) -> None:
    """Also one that may be left out, which the library gives up at the first option."""
    parser = Parser()
    add_config(parser)
    add_instance(parser)
    parser.add_argument("text", nargs="?")
    found = parser.parse_args(line.split())
    assert (found.instance, found.text) == ("web-1", text)


@pytest.mark.parametrize(
    "line", ["web-1 -world", "web-1 --hello", "web-1 a b", "a\udcff", "..", "i" * 129]
)
def test_arguments_that_nothing_is_called(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong usage, before anything is asked."""
    parser = Parser()
    add_instance(parser)
    parser.add_argument("text", nargs="?")
    with pytest.raises(SystemExit) as ended:
        parser.parse_args(line.split())
    assert ended.value.code == 2
    assert "usage" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "unknown"),
    [
        ("type web-1 -x", "-x (put -- before what begins with - and is no option)"),
        ("type web-1 a -x", "-x"),
        ("type web-1 a b", "b"),
        ("consoles --wacth", "--wacth"),
        ("consoles web-1", "web-1"),
        ("user add --role", "--role (put -- before what begins with - and is no option)"),
    ],
)
def test_what_a_command_does_not_know(
    line: str, unknown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Under its own usage; a text that looks like an option needs `--`."""
    with pytest.raises(SystemExit):
        main(line.split())
    usage, problem = capsys.readouterr().err.rstrip().rsplit("\n", 1)
    name = line.partition(" -")[0].partition(" web-1")[0]
    assert usage.startswith(f"usage: vncproxy {name} [-h]")
    assert problem == f"vncproxy {name}: error: unrecognized arguments: {unknown}"


@pytest.mark.parametrize(("language", "word"), [("en_GB", "usage: "), ("zh_CN", "用法: ")])
def test_usage_names_the_program(
    language: str, word: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whole, in each language."""
    monkeypatch.setenv("LC_ALL", f"{language}.UTF-8")
    parser = Parser(prog="vncproxy kick", formatter_class=HelpFormatter)
    add_instance(parser)
    with pytest.raises(SystemExit):
        parser.parse_args([])
    assert capsys.readouterr().err.startswith(f"{word}vncproxy kick [-h] INSTANCE")


def test_the_end_of_a_help_text() -> None:
    """One or several."""
    assert examples_text(("x a",)) == "example:\n  x a"
    assert examples_text(("x a", "x b")) == "examples:\n  x a\n  x b"


# Arguments that several commands have; ports and screens are tested in test_demo.py


def test_what_most_commands_take() -> None:
    """A file, an instance, JSON; each only where it was added."""
    parser = argparse.ArgumentParser()
    add_config(parser)
    add_json(parser)
    add_instance(parser)
    assert vars(parser.parse_args(["web-1"])) == {
        "config": None,
        "json": False,
        "instance": "web-1",
    }
    given = parser.parse_args(["--config", "a.toml", "--json", "web-1"])
    assert (given.config, given.json) == (Path("a.toml"), True)


@pytest.mark.parametrize("text", ["h:+1", "h:1_0", "h: 1", "h:١", "h:65536"])
def test_what_int_would_take(text: str) -> None:
    """A port has digits only."""
    with pytest.raises(argparse.ArgumentTypeError, match="such as"):
        host_port(text)
