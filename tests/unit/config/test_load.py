"""The configuration as a whole: tables to the model, settings from the environment."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from vncproxy.config import paths
from vncproxy.config.file_checks import EXPECTED
from vncproxy.config.load import (
    MAX_FILE_BYTES,
    Builder,
    Folders,
    Loaded,
    Override,
    convert,
    line_map,
    load,
    nearest,
    overrides,
    parse_document,
    read_document,
)
from vncproxy.config.model import SECTIONS, Config, Instance, Listen
from vncproxy.config.problems import Report, line_of
from vncproxy.errors import ConfigError, ConfigProblem

HOME = {"HOME": "/nonexistent"}


def _write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "v.toml"
    file.write_text(text)
    return file


def test_no_file_is_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a file the defaults hold, the environment still counts, and no file is named."""
    monkeypatch.setattr(paths, "SYSTEM_FILE", tmp_path / "none")
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
    """Keys, relations, files and variables are all reported at once, in the file's order."""
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
    """Where the file can't be read as TOML, the environment's names are reported all the same."""
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


FILE = Path("/etc/vncproxy/vncproxy.toml")
FOLDERS = Folders(Path("/etc/vncproxy"), Path("/home/ann"))


def _build(text: str, overrides: tuple[Override, ...] = ()) -> Config:
    report = Report(FILE, line_map(text))
    config = Builder(report, FOLDERS).build(tomllib.loads(text), list(overrides))
    report.raise_if_any()
    return config


def _problems(text: str, overrides: tuple[Override, ...] = ()) -> list[ConfigProblem]:
    with pytest.raises(ConfigError) as caught:
        _build(text, overrides)
    return caught.value.problems


def _texts(text: str, overrides: tuple[Override, ...] = ()) -> list[str]:
    return [str(problem).removeprefix(f"{FILE}:") for problem in _problems(text, overrides)]


def test_nothing_is_the_defaults() -> None:
    """No tables give what the model says by itself."""
    assert _build("") == Config()


def test_values_arrive() -> None:
    """Numbers, flags, texts, lists and blocks come out in the model's types."""
    config = _build(
        "[limits]\nlinger = 3\nkeepalive_key = 0xffe1\n"
        '[access]\nallowed_hosts = ["a", "b"]\n[aliyun]\ndiscover = true\n'
        '[[instance]]\nid = "i-1"\n[[instance]]\nid = "i-2"\nalias = "b"\n'
        '[[listen]]\naddress = "[::1]:1"\n'
    )
    assert config.limits.linger == 3.0
    assert type(config.limits.linger) is float
    assert config.limits.keepalive_key == 0xFFE1
    assert config.access.allowed_hosts == ("a", "b")
    assert config.aliyun.discover is True
    assert config.instance == (Instance(id="i-1"), Instance(id="i-2", alias="b"))
    assert config.listen == (Listen(address="[::1]:1"),)


def test_paths() -> None:
    """Paths start from the file's folder or the home; those of the environment from here."""
    config = _build(
        '[aliyun]\nca_file = "ca.pem"\n[access]\ntoken_file = "~/t"\n[state]\ndirectory = "/s"\n'
    )
    assert config.aliyun.ca_file == Path("/etc/vncproxy/ca.pem")
    assert config.access.token_file == Path("/home/ann/t")
    assert config.state.directory == Path("/s")
    config = _build("", (Override("aliyun", "ca_file", "ca.pem"),))
    assert config.aliyun.ca_file == Path.cwd() / "ca.pem"
    assert Folders(Path("/b"), None).resolve(Path("~/t"), Path("/b")) == Path("/b/~/t")


def test_the_environment_wins() -> None:
    """An override replaces the file's value, and a wrong value in the file is still reported."""
    override = (Override("limits", "linger", 5),)
    assert _build("[limits]\nlinger = 3\n", override).limits.linger == 5.0
    assert _texts("[limits]\nlinger = -3\n", override) == [
        "2: [limits] linger: found -3; expected seconds, 0 to 3600"
    ]
    assert _texts("[limits]\nlinger = 3\n", (Override("limits", "linger", -5),)) == [
        "environment: [limits] linger: found -5; expected seconds, 0 to 3600"
    ]


def test_every_mistake_at_once() -> None:
    """Each mistake is reported with its line, key, what was found and what is expected."""
    text = """\
acces = 3
metrics = 3
[limits]
idle_timout = 300
linger = -1
ping_timeout = nan
max_wait = inf
max_viewers = 2.0
discover = true
[aliyun]
discover = 1
regions = ["cn-hangzhou", 3]
endpoint = "http://ecs.example.com"
[log]
level = "LOUD"
[[instance]]
alias = "a/b"
[[instance]]
id = "web-1"
"""
    assert _texts(text) == [
        '1: [acces]: found an unknown name; expected a known name; the nearest is "access"',
        "2: [metrics]: found 3; expected a table, opened by [metrics]",
        "4: [limits] idle_timout: found an unknown name; expected a known name; "
        'the nearest is "idle_timeout"',
        "5: [limits] linger: found -1; expected seconds, 0 to 3600",
        "6: [limits] ping_timeout: found nan; expected seconds, above 0 and at most 86400",
        "7: [limits] max_wait: found inf; expected seconds, above 0 and at most 86400",
        "8: [limits] max_viewers: found 2.0; expected a whole number, 1 to 1000",
        "9: [limits] discover: found an unknown name; expected one of "
        + ", ".join(SECTIONS["limits"]),
        "11: [aliyun] discover: found 1; expected true or false",
        "12: [aliyun] regions: found a list of 2; expected a list of region ids "
        'such as ["cn-hangzhou"]',
        "13: [aliyun] endpoint: found 'http://ecs.example.com'; expected https://HOST[:PORT] "
        "without path, query or user; http:// only for loopback",
        '15: [log] level: found \'LOUD\'; expected "debug", "info", "warning" or "error"',
        "16: [[instance]] 1 id: found nothing; expected an instance id such as "
        "i-bp1xxxxxxxxxxxxxxxxx",
        "17: [[instance]] 1 alias: found 'a/b'; expected 1 to 63 letters, digits, "
        "'.', '_' or '-', the first a letter or digit",
        "19: [[instance]] 2 id: found 'web-1'; expected an instance id such as "
        "i-bp1xxxxxxxxxxxxxxxxx",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[listen]\n", "blocks, each opened by [[listen]]"),
        ("listen = [1]\n", "blocks, each opened by [[listen]]"),
        ("[[limits]]\n", "a table, opened by [limits]"),
    ],
)
def test_blocks_and_tables_are_not_mixed_up(text: str, expected: str) -> None:
    """One bracket too few or too many is reported as such."""
    [problem] = _problems(text)
    assert problem.expected == expected


def test_values_of_unknown_names_are_not_repeated() -> None:
    """A credential pasted into the file shows nowhere, and where it belongs is reported."""
    secret = "LTAI5tPlantedKeyId000000"
    text = f'[aliyun]\naccess_key_secret = "planted6"\n"{secret}" = 1\n[planted]\nx = "planted6"\n'
    problems = _problems(text)
    assert len(problems) == 3
    assert "ALIBABA_CLOUD_ACCESS_KEY_ID" in problems[0].expected
    whole = "".join(map(str, problems))
    assert "planted6" not in whole
    assert secret not in whole


def test_convert() -> None:
    """A value in its type, or None for what isn't such a value, a lone surrogate included."""
    assert convert(False, SECTIONS["aliyun"]["discover"]) is False
    assert convert("a\udc80", SECTIONS["aliyun"]["ca_file"]) is None
    assert convert("a\udc80", SECTIONS["log"]["level"]) is None
    assert convert(3, SECTIONS["aliyun"]["ca_file"]) is None
    assert convert("", SECTIONS["aliyun"]["ca_file"]) is None
    assert convert(2**2000, SECTIONS["limits"]["linger"]) is None


@pytest.mark.parametrize(
    ("variable", "text", "override"),
    [
        ("VNCPROXY_LIMITS__IDLE_TIMEOUT", "300", Override("limits", "idle_timeout", 300)),
        ("VNCPROXY_LIMITS__LINGER", "0.5", Override("limits", "linger", 0.5)),
        ("VNCPROXY_LIMITS__KEEPALIVE_KEY", "0xffe1", Override("limits", "keepalive_key", 0xFFE1)),
        ("VNCPROXY_ALIYUN__DISCOVER", "true", Override("aliyun", "discover", True)),
        ("VNCPROXY_LOG__LEVEL", "debug", Override("log", "level", "debug")),
        ("VNCPROXY_STATE__DIRECTORY", "/x", Override("state", "directory", "/x")),
        ("VNCPROXY_ALIYUN__REGION", "1", Override("aliyun", "region", "1")),
        ("VNCPROXY_LIMITS__LINGER", "soon", Override("limits", "linger", "soon")),
        ("VNCPROXY_LIMITS__LINGER", "1\nx = 2", Override("limits", "linger", "1\nx = 2")),
        ("VNCPROXY_LIMITS__LINGER", "[" * 5000, Override("limits", "linger", "[" * 5000)),
    ],
)
def test_reads_scalars(variable: str, text: str, override: Override) -> None:
    """A text key takes the text as it is, another key a TOML value; what isn't one stays a text."""
    assert overrides({variable: text, "PATH": "/bin"}) == ([override], [])


def test_the_files_name_is_no_setting() -> None:
    """VNCPROXY_CONFIG names the file and is left alone."""
    assert overrides({"VNCPROXY_CONFIG": "/x"}) == ([], [])


@pytest.mark.parametrize(
    ("variable", "hint"),
    [
        ("VNCPROXY_LIMITS__IDL_TIMEOUT", "VNCPROXY_LIMITS__IDLE_TIMEOUT"),
        ("VNCPROXY_LIMITS_LINGER", "VNCPROXY_LIMITS__LINGER"),
        ("VNCPROXY_limits__linger", "VNCPROXY_LIMITS__LINGER"),
        ("VNCPROXY_ACCESS__ALLOWED_HOSTS", "access.allowed_hosts is a list"),
        ("VNCPROXY_INSTANCE__ALIAS", "[[instance]] blocks can only be set in the file"),
        ("VNCPROXY_LISTEN", "[[listen]] blocks can only be set in the file"),
        ("VNCPROXY_", "VNCPROXY_SECTION__KEY"),
    ],
)
def test_wrong_names_are_reported_with_what_was_meant(variable: str, hint: str) -> None:
    """A variable that sets nothing is an error with the nearest name, or why it can't be set."""
    found, [problem] = overrides({variable: "planted-value"})
    assert found == []
    assert problem.where == "environment"
    assert problem.key == variable
    assert hint in problem.expected
    assert "planted-value" not in str(problem)


def test_nearest() -> None:
    """A misspelt name has one nearest known name, a strange one none."""
    assert nearest("idle_timout", SECTIONS["limits"]) == "idle_timeout"
    assert nearest("zzz", SECTIONS["limits"]) is None


# Reading the file, and the lines of its keys


def _problem(text: str) -> ConfigProblem:
    with pytest.raises(ConfigError) as caught:
        parse_document(text, Path("v.toml"))
    [problem] = caught.value.problems
    return problem


def test_tables_and_lines(tmp_path: Path) -> None:
    """A file gives its tables and the lines of its keys, whatever its line ends and mark."""
    file = tmp_path / "v.toml"
    file.write_bytes(b"\xef\xbb\xbf[limits]\r\nlinger = 3\r\n")
    document = read_document(file)
    assert document.file == file
    assert document.tables == {"limits": {"linger": 3}}
    assert document.lines["limits", "linger"] == 2


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("a = 1\nb = \n", "v.toml:2"),
        ("a = 1\n[b", "v.toml:2"),
        ('a = "x\n', "v.toml:1"),
        ("a = 1\n\na = 2\n", "v.toml:3"),
        ("a = " + "[" * 5000, "v.toml"),
        ("a = " + "1" * 5000, "v.toml"),
    ],
)
def test_syntax_errors_have_their_line(text: str, where: str) -> None:
    """What isn't TOML is told with its line, where the parser knows it."""
    problem = _problem(text)
    assert problem.where == where
    assert problem.key == "the text"
    assert problem.found


def test_a_syntax_error_repeats_no_secret() -> None:
    """A broken line may hold a credential: neither the error nor its cause repeats it."""
    secret = "LTAI5tPlantedKeyId000000"
    for text in (f"key = {secret}", f"{secret}", f"[{secret}]\n[{secret}]\n", f"{secret}=1\n" * 2):
        assert secret not in str(_problem(text))


def test_unreadable_files(tmp_path: Path) -> None:
    """A file that is missing, a folder, too long or not UTF-8 is a ConfigError that says so."""
    (tmp_path / "long").write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    (tmp_path / "latin").write_bytes(b"a = 1\nb = '\xe4'\n")
    for name, found in {
        "none": "no such file",
        ".": "is a directory",
        "a\0b": "not a path",
        "long": "a long file",
        "latin": "aren't UTF-8",
    }.items():
        with pytest.raises(ConfigError) as caught:
            read_document(tmp_path / name)
        assert found in caught.value.problems[0].found
    assert caught.value.problems[0].where.endswith("latin:2")


def test_a_forbidden_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file without read permission is a ConfigError."""

    def denied(*_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(ConfigError, match="permission denied"):
        read_document(tmp_path / "v.toml")


TEXT = '''\
a = 1 # [no]
b = """x
[no]
c = 2
\\""""""
d = \'\'\'
[no]\'\'\'
[limits]
"q\\"x".z = [1, # ]
 2, "]",
 {c="]"}]
linger=3
[[listen]]
 name = 'x'
[[listen]] # second
name = "y"

[listen.sub]
k = {a = 1}
[ other . "t" ]
x.y = 2
last = "no line end"'''


def test_lines_of_every_statement() -> None:
    """Tables, blocks and keys stand where they are, whatever strings and comments look like."""
    tomllib.loads(TEXT)
    assert line_map(TEXT) == {
        ("a",): 1,
        ("b",): 2,
        ("d",): 6,
        ("limits",): 8,
        ("limits", 'q"x', "z"): 9,
        ("limits", "linger"): 12,
        ("listen",): 13,
        ("listen", 0): 13,
        ("listen", 0, "name"): 14,
        ("listen", 1): 15,
        ("listen", 1, "name"): 16,
        ("listen", 1, "sub"): 18,
        ("listen", 1, "sub", "k"): 19,
        ("other", "t"): 20,
        ("other", "t", "x", "y"): 21,
        ("other", "t", "last"): 22,
    }


def test_nearest_line() -> None:
    """A key inside an inline table, or a missing one, is put where what is around it stands."""
    lines = line_map(TEXT)
    assert line_of(lines, ("listen", 1, "sub", "k", "a")) == 19
    assert line_of(lines, ("listen", 1, "address")) == 15
    assert line_of(lines, ("metrics", "access")) is None


def test_nested_arrays_of_tables() -> None:
    """A block inside a block belongs to the last outer one."""
    text = "[[a]]\n[[a.b]]\n[[a.b]]\nx=1\n[[a]]\n[[a.b]]\nx=2\n"
    lines = line_map(text)
    assert lines["a", 0, "b", 1, "x"] == 4
    assert lines["a", 1, "b", 0, "x"] == 7


def test_a_broken_text_ends() -> None:
    """What isn't TOML gives something, not an error or an endless walk."""
    for text in ("[", "[[", "]", "=", "a", "a = [", 'a = "', "a = '''", "\0", "[a\nb=1", '"' * 7):
        line_map(text)
