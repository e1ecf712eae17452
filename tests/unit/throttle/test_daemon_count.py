"""How many daemons there are, over restarts."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from vncproxy.throttle.daemon_count import MAX_DAEMONS, UNKNOWN, DaemonCount


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "daemons"


def test_before_any_count_there_are_two(path: Path) -> None:
    """A daemon that never met the others doesn't take the whole budget."""
    assert DaemonCount(path).daemons == UNKNOWN == 2
    assert not path.exists()


async def test_a_count_outlives_the_daemon(path: Path) -> None:
    """The last count is known after a restart, from a file that only its owner reads."""
    count = DaemonCount(path)
    await count.note(3)
    await count.note(5)
    assert count.daemons == 5
    assert DaemonCount(path).daemons == 5
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["daemons"]


async def test_an_unchanged_count_is_not_written_again(path: Path) -> None:
    """A heartbeat doesn't touch the disk."""
    count = DaemonCount(path)
    await count.note(1)
    path.unlink()
    await count.note(1)
    assert not path.exists()


@pytest.mark.parametrize("content", ["", "0", "-1", "x", "99999999999999999999", "1e3", "\0"])
def test_a_strange_file_counts_as_none(path: Path, content: str) -> None:
    """Damage costs nothing but the knowledge."""
    path.write_text(content)
    assert DaemonCount(path).daemons == UNKNOWN


@pytest.mark.parametrize(("counted", "kept"), [(0, 1), (10**9, MAX_DAEMONS)])
async def test_an_impossible_count_is_bounded(path: Path, counted: int, kept: int) -> None:
    """There is always one, and never absurdly many."""
    count = DaemonCount(path)
    await count.note(counted)
    assert count.daemons == kept


async def test_without_a_place_it_is_known_until_the_restart(tmp_path: Path) -> None:
    """A folder that can't be written is reported, and the count still holds."""
    count = DaemonCount(tmp_path / "missing" / "daemons")
    with capture_logs() as events:
        await count.note(4)
    assert count.daemons == 4
    assert [event["event"] for event in events] == ["throttle.daemon_count_not_kept"]
