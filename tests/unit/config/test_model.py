"""The model, the example files that show it, and what a reload can't change."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from vncproxy.config.load import load
from vncproxy.config.model import (
    BLOCK_STRUCTS,
    BLOCKS,
    SECTION_STRUCTS,
    SECTIONS,
    Config,
    Instance,
    Limits,
    Listen,
    Rule,
    State,
    Throttle,
    changes_needing_restart,
    without_restart,
)

EXAMPLES = Path(__file__).parents[3] / "config"
EXAMPLE = EXAMPLES / "vncproxy.example.toml"
DOCUMENT = EXAMPLES / "README.md"
HOME = {"HOME": "/nonexistent"}

_SETTING = re.compile(r"(?P<off>#?)(?P<key>[a-z_]+) = (?P<value>.+)")
_HEADER = re.compile(r"(?P<off>#?)\[\[?(?P<name>[a-z]+)\]?\]")

_TABLE = re.compile(r"### \[\[?(?P<section>[a-z]+)\]\]?\n(?P<rows>.*?)(?=\n##)", re.DOTALL)
_ROW = re.compile(r"^\| `(?P<key>[a-z_]+)` \| (?:`(?P<default>.+?)`|–) \| .+ \|$", re.MULTILINE)
_RECIPE = re.compile(r"^```toml\n(.*?)^```$", re.MULTILINE | re.DOTALL)

Setting = tuple[str, str, str, Any]
"""Section, key, how it is commented out, value."""


def _settings() -> list[Setting]:
    """Every setting that the example mentions, in the order of its lines."""
    section = ""
    found: list[Setting] = []
    for line in EXAMPLE.read_text().splitlines():
        if header := _HEADER.fullmatch(line):
            section = header["name"]
        elif setting := _SETTING.fullmatch(line):
            value = tomllib.loads(f"value = {setting['value']}")["value"]
            found.append((section, setting["key"], setting["off"], value))
    return found


def test_frozen() -> None:
    """Nobody can change a setting after it was checked."""
    with pytest.raises(AttributeError):
        Config().limits.linger = 1.0  # type: ignore[misc]
    with pytest.raises(AttributeError):
        Config().limits = Limits()  # type: ignore[misc]


def test_parts_of_a_door_and_an_instance() -> None:
    """Addresses, modes and names are given in the form that is used."""
    assert str(Listen().parsed_address) == "127.0.0.1:6080"
    assert Listen(socket_mode="0600").mode == 0o600
    assert Instance(id="i-1").name == "i-1"
    assert Instance(id="i-1", alias="a").name == "a"


def test_the_store_s_password_is_not_shown() -> None:
    """Neither the section nor the whole configuration tells it."""
    throttle = Throttle(store="valkeys://ops:hunter2@store.example.com/1", name="b1")
    config = Config(throttle=throttle)
    for text in (repr(throttle), str(throttle), repr(config), str(config)):
        assert "hunter2" not in text
        assert "valkeys://store.example.com/1" in text
        assert "b1" in text


def test_every_default_is_a_value_that_the_file_could_hold() -> None:
    """A default obeys the limits of its own kind."""
    for fields in (*SECTIONS.values(), *BLOCKS.values()):
        for field in fields.values():
            if not field.required and field.default is not None and field.default != ():
                converted = msgspec.convert(field.default, field.type, strict=True)
                assert converted == field.default


@pytest.mark.parametrize("name", ["vncproxy.example.toml", "minimal.toml", "service.toml"])
def test_examples_load(name: str) -> None:
    """All files are valid as they are and name one instance."""
    [instance] = load(EXAMPLES / name, HOME).config.instance
    assert instance.alias == "web-1"


def test_minimal_is_the_defaults_besides_its_instance() -> None:
    """The least needs nothing but an instance."""
    config = load(EXAMPLES / "minimal.toml", HOME).config
    assert msgspec.structs.replace(config, instance=()) == Config()


def test_the_example_is_the_defaults_besides_its_instance() -> None:
    """What the example sets is what holds without it."""
    config = load(EXAMPLE, HOME).config
    assert msgspec.structs.replace(config, instance=()) == Config()


def test_the_example_holds_every_key() -> None:
    """No key of the model is missing, and none is there that the model doesn't have."""
    model = {(section, key) for section, fields in (SECTIONS | BLOCKS).items() for key in fields}
    assert {(section, key) for section, key, _, _ in _settings()} == model


def test_the_example_holds_every_default() -> None:
    """Each key stands once with its default; one without a default is commented out or required."""
    fields = SECTIONS | BLOCKS
    first: dict[tuple[str, str], tuple[str, Any]] = {}
    for section, key, off, value in _settings():
        first.setdefault((section, key), (off, value))
    for (section, key), (off, value) in first.items():
        field = fields[section][key]
        if field.required or section == "instance":
            continue
        if field.default is None:
            assert off, f"{section}.{key} has no default"
        else:
            shown = tuple(value) if isinstance(value, list) else value
            assert shown == field.default, f"{section}.{key}"


def _documented() -> dict[tuple[str, str], str | None]:
    """The keys in the tables of config/README.md, with their defaults as TOML."""
    return {
        (table["section"], row["key"]): row["default"]
        for table in _TABLE.finditer(DOCUMENT.read_text())
        for row in _ROW.finditer(table["rows"])
    }


def test_the_document_holds_every_key_and_default() -> None:
    """As the model has them, none missing and none too many."""
    documented = _documented()
    model = {
        (section, key): field
        for section, fields in (SECTIONS | BLOCKS).items()
        for key, field in fields.items()
    }
    assert documented.keys() == model.keys()
    for place, field in model.items():
        text = documented[place]
        if field.required or field.default is None:
            assert text is None, place
        else:
            assert text is not None, place
            value = tomllib.loads(f"value = {text}")["value"]
            assert (tuple(value) if isinstance(value, list) else value) == field.default, place


@pytest.mark.parametrize("number", range(len(_RECIPE.findall(DOCUMENT.read_text()))))
def test_the_document_s_recipes_load(number: int, tmp_path: Path) -> None:
    """Each block to copy is a valid file."""
    text = _RECIPE.findall(DOCUMENT.read_text())[number]
    # The one name that depends on the machine.
    text = text.replace('socket_group = "vncproxy-users"', 'socket_group = "root"')
    file = _with_files(tmp_path, text)
    # One of them holds a password.
    file.chmod(0o600)
    load(file, HOME)


def _with_files(tmp_path: Path, text: str) -> Path:
    """The text as a file, what it names in /etc made in a folder of the test's own."""
    contents = {"users.json": '{"users": []}', "header.secret": "0123456789abcdef" * 4}
    for name in re.findall(r'"/etc/vncproxy/([a-z0-9.-]+)"', text):
        (tmp_path / name).write_text(contents.get(name, "abc123\n"))
        (tmp_path / name).chmod(0o600)
    file = tmp_path / "vncproxy.toml"
    file.write_text(text.replace("/etc/vncproxy/", f"{tmp_path}/"))
    return file


def test_the_example_with_everything_on(tmp_path: Path) -> None:
    """Taking away every single # gives a valid file, in which all keys are set."""
    text = re.sub(r"^#(?=[a-z_]+ = |\[)", "", EXAMPLE.read_text(), flags=re.MULTILINE)
    # The one name that depends on the machine.
    text = text.replace('socket_group = "vncproxy-users"', 'socket_group = "root"')
    file = _with_files(tmp_path, text)
    config = load(file, HOME).config
    assert [door.name for door in config.listen] == ["local", "bastion", "proxy"]
    assert config.listen[0].certificate == tmp_path / "certificate.pem"
    assert config.instance[0].password_file == tmp_path / "web-1.password"
    assert config.state.directory == Path("/var/lib/vncproxy")
    unset = {
        (section, key)
        for section, fields in SECTIONS.items()
        for key in fields
        if getattr(getattr(config, section), key) is None
    }
    assert not unset


def test_parts_that_need_a_restart() -> None:
    """Doors, state folder and ledger are named when they differ; nothing else is."""
    old = Config()
    assert changes_needing_restart(old, Config()) == []
    free = Config(limits=Limits(linger=1.0), instance=(Instance(id="i-1"),))
    assert changes_needing_restart(old, free) == []
    bound = Config(
        listen=(Listen(name="other"),),
        state=State(directory=Path("/s")),
        throttle=Throttle(store="memory"),
    )
    assert changes_needing_restart(old, bound) == ["[[listen]]", "[state]", "[throttle]"]
    assert changes_needing_restart(bound, old) == ["[[listen]]", "[state]", "[throttle]"]
    assert changes_needing_restart(bound, bound) == []


def test_the_rest_of_a_new_configuration() -> None:
    """What needs a restart is as before, everything else as it is now."""
    old = Config(throttle=Throttle(store="memory"))
    new = Config(
        listen=(Listen(name="other"),),
        limits=Limits(reconnects_per_minute=5, linger=1.0),
        instance=(Instance(id="i-1"),),
    )
    mixed = without_restart(old, new)
    assert mixed == Config(
        throttle=Throttle(store="memory"),
        limits=Limits(reconnects_per_minute=5, linger=1.0),
        instance=(Instance(id="i-1"),),
    )
    assert changes_needing_restart(old, mixed) == []


def test_sections_and_blocks() -> None:
    """The tables of the file and its repeated blocks are distinguished."""
    assert {"listen": Listen, "instance": Instance, "rule": Rule} == BLOCK_STRUCTS
    assert SECTION_STRUCTS["limits"] is Limits
    assert set(SECTION_STRUCTS).isdisjoint(BLOCK_STRUCTS)
