"""Settings from the environment."""

from __future__ import annotations

import pytest

from vncproxy.config.environment import Override, overrides


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
def test_wrong_names_are_told_with_what_was_meant(variable: str, hint: str) -> None:
    """A variable that sets nothing is an error with the nearest name, or why it can't be set."""
    found, [problem] = overrides({variable: "planted-value"})
    assert found == []
    assert problem.where == "environment"
    assert problem.key == variable
    assert hint in problem.expected
    assert "planted-value" not in str(problem)
