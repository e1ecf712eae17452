"""What is said of an instance."""

from __future__ import annotations

from vncproxy.console.instance import ConsoleInstance


def test_its_password_never_shows() -> None:
    """Logs may print an instance."""
    instance = ConsoleInstance("i-1", "cn-test", "one", password="s3cret", name="shop")
    assert "s3cret" not in repr(instance)
    assert "s3cret" not in str(instance)
    assert "shop" in repr(instance)


def test_only_the_three_names_are_needed() -> None:
    """An instance of the configuration may be known by no more than that."""
    instance = ConsoleInstance("i-1", "cn-test", "one")
    assert (instance.windows, instance.password, instance.status, instance.tags) == (
        False,
        None,
        "",
        (),
    )
