"""What commands print, in the terminal's language."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vncproxy.cli import main
from vncproxy.commands.terminal_language import shown, terminal_texts
from vncproxy.languages.text import Text

CONFIG = """
[state]
directory = "{folder}"
[[instance]]
id = "i-bp1xxxxxxxxxxxxxxxxx"
alias = "web-1"
region = "cn-hangzhou"
[[rule]]
users = ["ann"]
instances = ["web-*"]
role = "watch"
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration without a daemon, at a Chinese terminal."""
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    path = tmp_path / "vncproxy.toml"
    path.write_text(CONFIG.format(folder=tmp_path))
    return path


def test_the_variables_choose(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain text stays as it is: nobody has said that it is for people."""
    assert terminal_texts().language == "en"
    assert shown(Text("nothing was done")) == "nothing was done"
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    assert terminal_texts().language == "zh"
    assert shown(Text("nothing was done")) == "未执行任何操作"
    assert shown("nothing was done") == "nothing was done"


@pytest.mark.sockets
def test_an_error(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No daemon: what is wrong, and what to do; paths and command lines as they are."""
    assert main(["consoles", "--config", str(config)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("vncproxy: 没有 vncproxy 使用过此配置：/")
    assert said.endswith("/token 处没有令牌；请用以下命令启动：vncproxy serve\n")


@pytest.mark.sockets
def test_a_table(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its headings and words; names stay."""
    assert main(["instances", "--config", str(config)]) == 0
    printed = capsys.readouterr()
    head, row = printed.out.splitlines()
    assert head.split() == ["别名", "名称", "ID", "地域", "状态", "在线用户"]
    assert row.split() == ["web-1", "-", "i-bp1xxxxxxxxxxxxxxxxx", "cn-hangzhou", "未知", "-"]
    assert printed.err.startswith("vncproxy: 状态未知：没有可用的阿里云凭证")


@pytest.mark.sockets
def test_findings(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`check`, and `check --as`."""
    assert main(["check", "--config", str(config)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert f"正常  配置：{config}" in lines
    assert any(line.startswith("失败  凭证：没有可用的阿里云凭证") for line in lines)
    assert main(["check", "--as", "ann", "--config", str(config)]) == 1
    assert "无权限：access" in capsys.readouterr().out


def test_numbers_and_problems_of_arguments(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each with its own words."""
    assert main(["type", "web-1", "\N{SNOWMAN}", "--config", str(config)]) == 1
    assert "键盘布局 us 上没有" in capsys.readouterr().err
    assert main(["key", "web-1", "entr"]) == 2
    assert "没有名为 'entr' 的按键；您是否要找 enter？" in capsys.readouterr().err


@pytest.mark.sockets
def test_programs_get_english(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """JSON is the same at every terminal."""
    main(["check", "--json", "--config", str(config)])
    rows = json.loads(capsys.readouterr().out)
    assert rows[0] == {"what": "configuration", "ok": True, "text": str(config)}
    main(["check", "--as", "ann", "--json", "--config", str(config)])
    assert json.loads(capsys.readouterr().out)[0]["text"].startswith("nothing: access")
