"""The configuration as a whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from vncproxy.config import search
from vncproxy.config.load import Loaded, load
from vncproxy.config.model import Config
from vncproxy.config.ownership import EXPECTED
from vncproxy.errors import ConfigError

HOME = {"HOME": "/nonexistent"}


def _write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "v.toml"
    file.write_text(text)
    return file


def test_no_file_is_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a file the defaults hold, the environment still counts, and no file is named."""
    monkeypatch.setattr(search, "SYSTEM_FILE", tmp_path / "none")
    assert load(None, HOME) == Loaded(Config(), None)
    loaded = load(None, HOME | {"VNCPROXY_LIMITS__LINGER": "1"})
    assert loaded.config.limits.linger == 1.0
    assert loaded.path is None


def test_the_file_that_was_used(tmp_path: Path) -> None:
    """The answer names the file, however it was found."""
    file = _write(tmp_path, "[limits]\nlinger = 1\n")
    assert load(file, HOME).path == file
    loaded = load(None, HOME | {"VNCPROXY_CONFIG": str(file)})
    assert loaded.path == file
    assert loaded.config.limits.linger == 1.0


def test_a_named_file_must_be_there(tmp_path: Path) -> None:
    """A file that somebody named is never replaced by defaults."""
    missing = tmp_path / "none.toml"
    for path, environ in ((missing, HOME), (None, HOME | {"VNCPROXY_CONFIG": str(missing)})):
        with pytest.raises(ConfigError, match=r"none\.toml: the file: found no such file"):
            load(path, environ)


def test_every_mistake_of_file_and_environment(tmp_path: Path) -> None:
    """Keys, relations, files and variables are all told at once, in the file's order."""
    (tmp_path / "secret").write_text("abc123")
    (tmp_path / "secret").chmod(0o644)
    file = _write(
        tmp_path,
        "[limits]\nidle_timeout = 30\nreconnects_per_minute = 30\n"
        '[[listen]]\naddress = "0.0.0.0:80"\naccess = "open"\n'
        '[[instance]]\nid = "i-1"\npassword_file = "secret"\n'
        '[[instance]]\nid = "i-2"\npassword_file = "planted"\n',
    )
    with pytest.raises(ConfigError) as caught:
        load(file, HOME | {"VNCPROXY_LOG__LEVEL": "loud", "VNCPROXY_LOG__LEVL": "info"})
    assert [(problem.where, problem.key) for problem in caught.value.problems] == [
        (f"{file}:2", "[limits] idle_timeout"),
        (f"{file}:3", "[limits] reconnects_per_minute"),
        (f"{file}:5", "[[listen]] 1 address"),
        (f"{file}:6", "[[listen]] 1 access"),
        (f"{file}:9", "[[instance]] 1 password_file"),
        (f"{file}:12", "[[instance]] 2 password_file"),
        ("environment", "[log] level"),
        ("environment", "VNCPROXY_LOG__LEVL"),
    ]
    assert "mode 0644" in str(caught.value)
    assert "planted" not in str(caught.value)


def test_relations_hold_across_file_and_environment(tmp_path: Path) -> None:
    """A value from the environment is compared with the file's, and blamed if it is the one."""
    file = _write(tmp_path, "[limits]\nkeepalive_interval = 40\nidle_timeout = 300\n")
    assert load(file, HOME).config.limits.keepalive_interval == 40.0
    with pytest.raises(ConfigError) as caught:
        load(file, HOME | {"VNCPROXY_LIMITS__IDLE_TIMEOUT": "60"})
    [problem] = caught.value.problems
    assert problem.key == "[limits] keepalive_interval"
    assert "idle_timeout = 60" in problem.found


def test_a_broken_text_and_a_wrong_variable(tmp_path: Path) -> None:
    """Where the file can't be read as TOML, the environment's names are told all the same."""
    file = _write(tmp_path, "a = \n")
    with pytest.raises(ConfigError) as caught:
        load(file, HOME | {"VNCPROXY_X__Y": "1"})
    assert [problem.where for problem in caught.value.problems] == [f"{file}:1", "environment"]


@pytest.mark.sockets
def test_imports_nothing_heavy() -> None:
    """Reading a configuration costs msgspec and the standard library's parser, no network stack."""
    code = "import sys, vncproxy.config.load; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names = set(run.stdout.split())
    assert "msgspec" in names
    assert names.isdisjoint({"asyncio", "aiohttp", "websockets", "structlog", "ssl", "pydantic"})


def test_a_secret_file_that_is_there_is_named(tmp_path: Path) -> None:
    """A bare name is shown where it is a file's, and hidden where it may be the secret itself."""
    (tmp_path / "web1pw").write_text("abc123")
    (tmp_path / "web1pw").chmod(0o644)
    file = tmp_path / "vncproxy.toml"
    file.write_text('[[instance]]\nid = "i-1"\npassword_file = "web1pw"\n')
    with pytest.raises(ConfigError, match=r"password_file: found 'web1pw': mode 0644"):
        load(file, {"HOME": str(tmp_path)})
    file.write_text('[[instance]]\nid = "i-1"\npassword_file = "abc123"\n')
    with pytest.raises(ConfigError, match="not shown") as caught:
        load(file, {"HOME": str(tmp_path)})
    assert "abc123" not in str(caught.value)


def test_a_file_that_others_may_change(tmp_path: Path) -> None:
    """It decides who may do what: it is refused, as its folder is, and named."""
    file = _write(tmp_path, "[limits]\nmax_viewers = 2\n")
    assert load(file, HOME).config.limits.max_viewers == 2
    file.chmod(0o666)
    with pytest.raises(ConfigError) as caught:
        load(file, HOME)
    found = f"{file}: the file: found mode 0666; "
    assert str(caught.value) == f"{found}expected {EXPECTED}"
    file.chmod(0o600)
    tmp_path.chmod(0o777)
    with pytest.raises(ConfigError, match="which has mode 0777"):
        load(file, HOME)
