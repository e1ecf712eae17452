"""Users as a running daemon sees them."""

from __future__ import annotations

from pathlib import Path

import pytest

from vncproxy.access.users import Users
from vncproxy.config.users_file import change_users, new_user
from vncproxy.errors import ConfigError


def add(path: Path, name: str, *groups: str) -> str:
    """Write a user in place of one of that name; gives the token."""
    user, token = new_user(name, groups)
    change_users(path, lambda before: (*(one for one in before if one.name != name), user))
    return token


def test_a_token_finds_its_user(tmp_path: Path) -> None:
    """And only the whole token does."""
    path = tmp_path / "users.json"
    token, other = add(path, "ann", "ops"), add(path, "bob")
    users = Users(path)
    ann = users.by_token(token)
    assert ann is not None
    assert (ann.name, ann.groups) == ("ann", ("ops",))
    for wrong in ("", ".", token[:-1], token + "x", token.partition(".")[0], "\udcff", "." + token):
        assert users.by_token(wrong) is None
    mixed = token.partition(".")[0] + "." + other.partition(".")[2]
    assert users.by_token(mixed) is None


def test_tokens_are_compared_in_constant_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Known or unknown id, right or wrong rest: one comparison of whole digests each."""
    path = tmp_path / "users.json"
    token = add(path, "ann")
    users = Users(path)
    seen: list[tuple[int, int]] = []

    def compare(one: str, other: str) -> bool:
        seen.append((len(one), len(other)))
        return one == other

    monkeypatch.setattr("vncproxy.access.users.hmac.compare_digest", compare)
    for text in (token, token[:-1], "unknown.x", ""):
        users.by_token(text)
    assert seen == [(64, 64)] * 4


def test_changes_count_at_once(tmp_path: Path) -> None:
    """A user that is added comes in, one that is removed or has another token doesn't."""
    path = tmp_path / "users.json"
    users = Users(path)
    assert users.named("ann") is None
    first = add(path, "ann")
    assert users.by_token(first) is not None
    second = add(path, "ann")
    assert users.by_token(first) is None
    assert users.by_token(second) is not None
    change_users(path, lambda _: ())
    assert users.by_token(second) is None
    assert users.named("ann") is None


def test_a_file_that_became_unusable_lets_nobody_in(tmp_path: Path) -> None:
    """Others may have changed it; once it is safe again, everybody is back."""
    path = tmp_path / "users.json"
    token = add(path, "ann")
    users = Users(path)
    path.chmod(0o666)
    assert users.by_token(token) is None
    path.chmod(0o600)
    assert users.by_token(token) is not None
    path.unlink()
    assert users.by_token(token) is None


def test_an_unusable_file_at_the_start(tmp_path: Path) -> None:
    """The daemon doesn't start with it; without a file it has no users."""
    (tmp_path / "users.json").write_text("x")
    with pytest.raises(ConfigError):
        Users(tmp_path / "users.json")
    assert Users(None).by_token("a.b") is None


def test_who_wants_to_know_is_reported_of_changes(tmp_path: Path) -> None:
    """Once for each, with the users before and after; also when the file is gone."""
    path = tmp_path / "users.json"
    add(path, "ann")
    changes: list[tuple[list[str], list[str]]] = []
    users = Users(
        path,
        lambda before, after: changes.append(
            ([one.name for one in before], [one.name for one in after])
        ),
    )
    users.refresh()
    add(path, "bob")
    users.refresh()
    users.refresh()
    path.unlink()
    assert users.named("ann") is None
    assert changes == [(["ann"], ["ann", "bob"]), (["ann", "bob"], [])]
