"""Settings from a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from vncproxy.simulator import SimulatorSettings
from vncproxy.simulator.settings_file import SettingsError, load


def write(tmp_path: Path, text: str) -> Path:
    """A settings file."""
    path = tmp_path / "simulator.toml"
    path.write_text(text)
    return path


def test_an_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    """Nothing is required."""
    assert load(write(tmp_path, "")) == SimulatorSettings()


def test_every_kind_of_key_is_read(tmp_path: Path) -> None:
    """Numbers, words, paths, lists, tables and blocks arrive as the fields' types."""
    settings = load(
        write(
            tmp_path,
            """
            idle_timeout_s = 5
            second_session = "throw-out"
            certificate = "a.pem"
            key = "b.pem"
            regions = ["eu-1"]
            seed = 7
            [[access_key]]
            key_id = "k"
            secret = "s"
            denied_actions = ["DescribeInstances"]
            [[instance]]
            instance_id = "i-1"
            tags = { team = "shop" }
            screen = "127.0.0.1:5901"
            [[instance]]
            instance_id = "i-2"
            """,
        )
    )
    assert settings.idle_timeout_s == 5.0
    assert settings.certificate == Path("a.pem")
    assert settings.regions == ("eu-1",)
    assert settings.keys[0].denied_actions == {"DescribeInstances"}
    assert [i.instance_id for i in settings.instances] == ["i-1", "i-2"]
    assert settings.instances[0].tags == (("team", "shop"),)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("url_tll_s = 1.0", "did you mean url_ttl_s?"),
        ('counts = "all"', "one of rfb, input"),
        ("window_s = 0", "more than 0"),
        ("port = -1", "no less than 0"),
        ('port = "80"', "a whole number"),
        ("port = true", "a whole number"),
        ("animated = 1", "true or false"),
        ("host = 1", "a text"),
        ("regions = [1]", "a list of texts"),
        ("width = 10", "320 to 4096 pixels"),
        ('certificate = "a.pem"', "both or neither"),
        ('instance = "i-1"', "[[instance]]"),
        ('[[instance]]\nstatus = "Up"', "one of Pending, Running"),
        ('[[instance]]\ntags = "a"', "a table of texts"),
        ('[[instance]]\nscreen = "host"', "host:port"),
        ('[[instance]]\n[[instance]]\nname = "two"', "is there twice"),
        ("port = ", "simulator.toml"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, expected: str) -> None:
    """The text says what is expected, or what was meant."""
    with pytest.raises(SettingsError) as caught:
        load(write(tmp_path, text))
    assert expected in str(caught.value)


def test_all_mistakes_come_at_once(tmp_path: Path) -> None:
    """Each has its line."""
    with pytest.raises(SettingsError) as caught:
        load(write(tmp_path, "window_s = 0\nurl_ttl_s = -1\nnonsense = 1\n"))
    assert len(str(caught.value).splitlines()) == 3


def test_a_wrong_secret_is_not_shown(tmp_path: Path) -> None:
    """Even where its type is wrong."""
    with pytest.raises(SettingsError) as caught:
        load(write(tmp_path, "[[access_key]]\nsecret = 424242\n"))
    assert "424242" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """No trace back, but the path."""
    with pytest.raises(SettingsError, match=r"nowhere\.toml: no such file or directory$"):
        load(tmp_path / "nowhere.toml")
