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


async def test_whoever_hides_credentials_is_told_of_them() -> None:
    """Each set is told before it is given, a renewed one too."""
    told: list[Credentials] = []
    credentials = Credentials("id", "secret", "token", "env")
    source = WatchedCredentials(StaticCredentials(credentials), told.append)
    assert await source.get() is credentials
    assert told == [credentials]
    assert await source.refresh(credentials) is credentials
    assert told == [credentials] * 2
