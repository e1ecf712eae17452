"""Whatever the file or the environment holds gives a configuration or a ConfigError."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from datetime import date, datetime, time
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from vncproxy.config.cross_checks import check_relations
from vncproxy.config.file_checks import check_files
from vncproxy.config.load import Builder, Folders, line_map, load, overrides
from vncproxy.config.model import BLOCKS, SECTIONS, Config
from vncproxy.config.problems import Report
from vncproxy.errors import ConfigError

SETTINGS = settings(max_examples=80)

_KEYS = sorted({key for fields in (*SECTIONS.values(), *BLOCKS.values()) for key in fields})
_SCALARS = (
    st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.integers(-1, 100)
    | st.floats()
    | st.text(max_size=30)
    | st.sampled_from(
        ["127.0.0.1:1", "unix:/x", "open", "token", "0600", "i-1", "~", "~/x", ".", "/", "\0", ""]
    )
    | st.sampled_from([date(2026, 1, 1), datetime(2026, 1, 1), time(1)])
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


def _table(fields: dict[str, object]) -> st.SearchStrategy[dict[str, object]]:
    return st.dictionaries(st.sampled_from(sorted(fields)) | st.text(max_size=8), _VALUES)


_TABLES = st.fixed_dictionaries(
    {},
    optional={
        **{name: _table(dict(fields)) | _VALUES for name, fields in SECTIONS.items()},
        **{
            name: st.lists(_table(dict(fields)), max_size=3) | _VALUES
            for name, fields in BLOCKS.items()
        },
        "strange": _VALUES,
    },
)

_LINES = st.lists(
    st.one_of(
        st.sampled_from([f"[{name}]" for name in SECTIONS] + [f"[[{name}]]" for name in BLOCKS]),
        st.builds(
            "{} = {}".format,
            st.sampled_from(_KEYS),
            st.sampled_from(
                ["1", "-0.5", "nan", "true", '"x"', "'/tmp'", '"""a\n[b]\n"""', "[1, # c\n 2]"]
            ),
        ),
        st.sampled_from(["", "# [x]", "a.b = {c = 1}", '"k ]" = 1', "x = ", "]", "[a", '"']),
    ),
    max_size=12,
).map("\n".join)


def _outcome(call: Callable[[], object]) -> None:
    """Run it; a ConfigError has printable problems, and any other error fails the test."""
    try:
        call()
    except ConfigError as error:
        assert error.problems
        for problem in error.problems:
            assert str(problem).isprintable()
            str(problem).encode()
            assert len(problem.found) < 400


@SETTINGS
@given(tables=_TABLES)
@example(tables={"listen": []})
@example(tables={"listen": [{"access": "open", "address": "unix:/x"}, {"key": "~"}]})
def test_any_values(tables: dict[str, object]) -> None:
    """Tables with any values give a configuration or a ConfigError."""

    def build() -> None:
        report = Report(Path("/v.toml"), {})
        config = Builder(report, Folders(Path("/nonexistent"), None)).build(tables, [])
        assert isinstance(config, Config)
        check_relations(config, report)
        check_files(config, report, {})
        report.raise_if_any()

    _outcome(build)


@SETTINGS
@given(text=st.text(max_size=60) | _LINES | st.binary(max_size=60))
def test_any_text(tmp_path: Path, text: str | bytes) -> None:
    """A file with any content gives a configuration or a ConfigError."""
    file = tmp_path / "v.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode(errors="surrogatepass"))
    _outcome(lambda: load(file, {"HOME": "/nonexistent"}))


@SETTINGS
@given(
    environ=st.dictionaries(
        st.sampled_from(
            [
                f"VNCPROXY_{section}__{key}".upper()
                for section, fields in SECTIONS.items()
                for key in fields
            ]
        )
        | st.text(max_size=12).map("VNCPROXY_".__add__),
        st.text(st.characters(exclude_characters="\0"), max_size=20)
        | st.sampled_from(["1", "true", "nan", "[", "{", '"', "a\udc80", "1\nx=1"]),
        max_size=6,
    )
)
def test_any_environment(tmp_path: Path, environ: dict[str, str]) -> None:
    """Variables with any names and values give a configuration or a ConfigError."""
    file = tmp_path / "v.toml"
    file.touch()
    _outcome(lambda: load(file, environ | {"HOME": "/nonexistent", "VNCPROXY_CONFIG": ""}))
    overrides(environ)


@SETTINGS
@given(text=_LINES)
def test_lines_agree_with_the_parser(text: str) -> None:
    """In valid TOML every key has a line, and that line mentions the key's last name."""
    try:
        tables = tomllib.loads(text)
    except ValueError:
        return
    lines = line_map(text)
    rows = text.split("\n")
    for path, line in lines.items():
        node: object = tables
        for part in path:
            assert isinstance(node, dict | list)
            node = node[part]  # type: ignore[index]
        name = str(path[-1] if isinstance(path[-1], str) else path[-2])
        assert name in rows[line - 1]
    for section, table in tables.items():
        if isinstance(table, dict):
            found = [path for path in lines if path[0] == section]
            assert found, section
