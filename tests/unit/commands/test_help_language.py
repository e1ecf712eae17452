"""Help and wrong usage in the terminal's language."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator

import pytest

from vncproxy.cli import main, parser
from vncproxy.commands.help_language import columns, cut, in_lines
from vncproxy.languages.catalogue import catalogue


@pytest.fixture
def chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Chinese terminal of 80 columns."""
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    monkeypatch.setenv("COLUMNS", "80")


def every_parser(of: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """It, and those of all its commands and acts."""
    yield of
    for action in of._actions:
        if isinstance(action, argparse._SubParsersAction):
            for made in action.choices.values():
                yield from every_parser(made)


def test_every_help_text_is_translated() -> None:
    """Of each command: what it does, what each argument is, and the headings."""
    english = []
    for one in every_parser(parser()):
        texts = [one.description, *(action.help for action in one._actions)]
        texts += [group.title for group in one._action_groups]
        texts += (one.epilog or "").splitlines()[:1]
        english += [text for text in texts if text and catalogue("zh").said(text) == text]
    assert english == []
    assert len(list(every_parser(parser()))) > 20


def test_a_chinese_help(chinese: None, capsys: pytest.CaptureFixture[str]) -> None:
    """It has the same commands and options as the English one, and fits into the window."""
    with pytest.raises(SystemExit) as end:
        main(["sessions", "--help"])
    assert end.value.code == 0
    shown = capsys.readouterr().out
    assert shown.startswith("用法: vncproxy sessions [-h]")
    assert "列出审计中的历史会话" in shown
    assert "  vncproxy sessions --user ann --since 7d\n" in shown
    options = shown.partition("选项:")[2].partition("示例:")[0]
    assert set(re.findall(r"--\w+", options)) >= {"--config", "--json", "--since", "--help"}
    assert max(columns(line) for line in options.splitlines()) <= 80


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["power"], "缺少以下参数：INSTANCE"),
        (["power", "web-1", "x"], "无效的选择：'x'"),
        (["demo", "--port", "x"], "参数 --port：'x' 不是端口：应为 0 至 65535"),
        (["kick", "web-1", "--nothing"], "无法识别的参数：--nothing"),
        (["check", "--at"], "需要一个值"),
    ],
)
def test_wrong_usage(
    arguments: list[str], said: str, chinese: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 2, and what is wrong in Chinese."""
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    shown = capsys.readouterr().err
    assert said in shown
    assert "错误:" in shown


def test_english_is_as_argparse_has_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Where no Chinese is asked for."""
    with pytest.raises(SystemExit):
        main(["kick"])
    shown = capsys.readouterr().err
    assert shown.startswith("usage: vncproxy kick [-h]")
    assert "vncproxy kick: error: the following arguments are required: INSTANCE" in shown


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("one two three", 8, ["one two", "three"]),
        ("按 Ctrl+C 结束。", 9, ["按 Ctrl+C", "结束。"]),
        ("每两秒刷新。", 10, ["每两秒刷", "新。"]),
        ("longerthanaline", 4, ["longerthanaline"]),
        ("  a \n b  ", 10, ["a b"]),
        ("", 10, []),
    ],
)
def test_lines_are_as_wide_as_a_terminal_shows_them(
    text: str, width: int, lines: list[str]
) -> None:
    """A Chinese character has two columns; no line begins with a full stop."""
    assert in_lines(text, width) == lines


@pytest.mark.parametrize(
    ("text", "wide"),
    [
        ("", 0),
        ("web-1", 5),
        ("é", 1),
        ("e\u0301", 1),
        ("测试", 4),
        ("ｗｅｂ", 6),
        ("ﾃｽﾄ", 3),
        ("한", 2),
        ("\u1112\u1161\u11ab", 2),
        ("🖥", 1),
        ("🚀", 2),
        ("a\u200bb", 2),
    ],
)
def test_the_columns_of_a_terminal(text: str, wide: int) -> None:
    """As wcwidth(3) has them."""
    assert columns(text) == wide
    assert cut(text + "x", wide) == text
    assert cut(text, wide + 1) == text
    assert cut("测试机", 5) == "测试"
