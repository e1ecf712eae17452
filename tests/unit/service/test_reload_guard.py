"""Changes that look like an accident."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.access.test_users import add
from vncproxy.config.model import Access, Aliyun, Config, Instance, Listen, Rule
from vncproxy.errors import ConfigError
from vncproxy.service.loaded_config import LoadedConfig
from vncproxy.service.reload_guard import refuse_accidents, worth_a_warning

WEB = Instance(id="i-bp1web", alias="web-1")
RULE = Rule(users=("ann",), instances=("*",))


def given(**settings: object) -> LoadedConfig:
    """What a configuration gives."""
    return LoadedConfig.of(Config(**{"instance": (WEB,), **settings}), ())  # type: ignore[arg-type]


def test_a_configuration_without_any_instance_is_refused() -> None:
    """As an editor on a full disk leaves it; unless there was none before."""
    empty = given(instance=())
    with pytest.raises(ConfigError, match="at least one, as before"):
        refuse_accidents(given(), empty)
    refuse_accidents(empty, empty)
    refuse_accidents(given(), given(instance=(), aliyun=Aliyun(discover=True)))


def test_users_that_are_gone_with_their_file_are_refused(tmp_path: Path) -> None:
    """A file without users is another thing, and so is another file."""
    path = tmp_path / "users.json"
    users = Access(users_file=path)
    refuse_accidents(given(access=users), given(access=users))
    add(path, "ann")
    old = given(access=users)
    path.unlink()
    with pytest.raises(ConfigError, match="it is gone"):
        refuse_accidents(old, given(access=users))
    refuse_accidents(old, given(access=Access(users_file=tmp_path / "other.json")))
    refuse_accidents(old, given())


def test_an_open_door_that_loses_its_rules_is_worth_a_warning() -> None:
    """Everybody may do everything then."""
    door = (Listen(name="hall", access="open"),)
    ruled, free = given(listen=door, rule=(RULE,)), given(listen=door)
    [text] = worth_a_warning(ruled, free)
    assert "(hall)" in text
    assert not worth_a_warning(free, free)
    assert not worth_a_warning(free, ruled)
    assert not worth_a_warning(given(rule=(RULE,)), given())
