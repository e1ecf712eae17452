"""Reading the file, and the lines of its keys."""

from __future__ import annotations

import errno
import os
import tomllib
from pathlib import Path

import pytest

from vncproxy.config.document import MAX_FILE_BYTES, line_map, parse_document, read_document
from vncproxy.config.problems import line_of
from vncproxy.errors import ConfigError, ConfigProblem


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
    """What isn't TOML is reported with its line, where the parser knows it."""
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
