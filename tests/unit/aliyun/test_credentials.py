"""Credentials and where they come from."""

from __future__ import annotations

from vncproxy.aliyun.credentials import (
    Credentials,
    StaticCredentials,
    WatchedCredentials,
)


def test_nothing_prints_the_keys() -> None:
    """The repr shows where they come from and nothing else."""
    credentials = Credentials("the-id", "the-secret", "the-token", "env")
    for text in (repr(credentials), str(credentials), repr([credentials])):
        assert "the-" not in text
        assert "env" in text
    assert "the-" not in repr(StaticCredentials(credentials))


async def test_who_hides_credentials_is_reported_of_them() -> None:
    """Each set is reported before it is given, a renewed one too."""
    hidden: list[Credentials] = []
    credentials = Credentials("id", "secret", "token", "env")
    source = WatchedCredentials(StaticCredentials(credentials), hidden.append)
    assert await source.get() is credentials
    assert hidden == [credentials]
    assert await source.refresh(credentials) is credentials
    assert hidden == [credentials] * 2
