"""Settings without a function yet."""

from __future__ import annotations

import pytest

from vncproxy.config.availability import BEGINNINGS, BLOCKS, KEYS, refusal
from vncproxy.config.schema import BLOCKS as BLOCK_FIELDS
from vncproxy.config.schema import SECTIONS


def test_every_name_exists() -> None:
    """The list can't outlive a renamed key."""
    fields = SECTIONS | BLOCK_FIELDS
    assert set(BLOCK_FIELDS) >= BLOCKS
    for section, key in [*KEYS, *BEGINNINGS]:
        assert key in fields[section]


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("listen", "access", "users"),
        ("listen", "access", "peer"),
        ("listen", "access", "header"),
        ("listen", "trusted_proxies", ("10.0.0.1",)),
        ("listen", "user_header", "X-User"),
        ("listen", "header_secret_file", "x"),
        ("access", "users_file", "x"),
    ],
)
def test_refused(section: str, key: str, value: object) -> None:
    """A setting that would be ignored says that it isn't available."""
    default = (SECTIONS | BLOCK_FIELDS)[section][key].default
    words = refusal(section, key, value, default)
    assert words is not None
    assert "not available in this version" in words


def test_defaults_and_other_settings_are_free() -> None:
    """The default of a missing function is no wish for it, and everything else works."""
    assert refusal("listen", "trusted_proxies", (), ()) is None
    assert refusal("listen", "access", "open", "token") is None
    assert refusal("throttle", "store", "valkey://h", "sqlite") is None
    assert refusal("aliyun", "discover", True, False) is None
    assert refusal("limits", "viewer_idle_timeout", 60.0, 0.0) is None
