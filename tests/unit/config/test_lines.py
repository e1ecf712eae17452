"""Lines of keys."""

from __future__ import annotations

import tomllib

from vncproxy.config.lines import line_map, line_of

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
