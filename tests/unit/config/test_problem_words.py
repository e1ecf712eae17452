"""What errors say they found."""

from __future__ import annotations

from datetime import date

import pytest

from vncproxy.config.problem_words import looks_secret, named, shown


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (True, "true"),
        (False, "false"),
        (31, "31"),
        (1 << 200, "a number of more than 128 bits"),
        (0.5, "0.5"),
        (float("nan"), "nan"),
        ("loud", "'loud'"),
        ("a\nb", r"'a\nb'"),
        ([1, 2], "a list of 2"),
        ({"a": 1}, "a table"),
        (date(2026, 8, 1), "a date or time"),
        ("i-bp1xxxxxxxxxxxxxxxxx", "'i-bp1xxxxxxxxxxxxxxxxx'"),
        ("/etc/vncproxy/web-1.password", "'/etc/vncproxy/web-1.password'"),
        ("https://ecs.cn-hangzhou.aliyuncs.com/x", "'https://ecs.cn-hangzhou.aliyuncs.com/x'"),
    ],
)
def test_harmless_values_are_shown(value: object, words: str) -> None:
    """What is no secret is repeated, in a form that fits a line."""
    assert shown(value) == words


def test_long_texts_are_cut() -> None:
    """A text of any length takes a bounded room."""
    assert len(shown("x y " * 1000)) < 100


@pytest.mark.parametrize(
    "secret",
    [
        "LTAI5tPlantedKeyId000000",
        "abcDEF123456abcDEF123456abcDEF",
        "wss://hz01-vncproxy.aliyun.com/websockify/?s=Dvh%2FIA%2BYc73gWO48",
        "wss%3A%2F%2Fhz01-vncproxy.aliyun.com%2Fwebsockify%2F%3Fs%3DDvh",
        "valkey://user:pass@host/0",
        "STS.NUgYrLnoC37mZZCNnAbez",
        "0123456789abcdef0123456789abcdef",
        "k3Hs-9dKq_0aZtXw71LmPqRsTuVwXyZ0123456789ab",
    ],
)
def test_secrets_are_not_shown(secret: str) -> None:
    """What resembles a credential or carries one is told by its length only."""
    assert looks_secret(secret)
    assert shown(secret) == f"a text of {len(secret)} characters (not shown: it may be a secret)"


def test_a_password_in_place_of_its_file_is_not_shown() -> None:
    """Under a name that asks for a secret's file, a text without a slash may be the secret."""
    assert "abc123" not in shown("abc123", key="password_file")
    assert shown("./abc123", key="password_file") == "'./abc123'"
    assert shown("abc123", key="ca_file") == "'abc123'"


def test_names() -> None:
    """A name is repeated as it is, unless it could break the line or be a secret itself."""
    assert named("VNCPROXY_LIMITS__LINGER") == "VNCPROXY_LIMITS__LINGER"
    assert named(3) == "3"
    assert named("a\nb") == r"'a\nb'"
    assert "LTAI" not in named("LTAI5tPlantedKeyId000000")
