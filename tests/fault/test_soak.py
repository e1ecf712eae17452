"""A short soak, and that it would find what it is for; the long ones are by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.soak_keys import FIRST_KEYSYM, ConsoleKeys, PageKeys
from tests.bench.soak_run import Settings, soak


async def test_nothing_is_lost_but_what_is_lost_on_purpose(tmp_path: Path) -> None:
    """Links, API, pages and the daemon itself end again and again; all that is checked is right."""
    settings = Settings(
        duration_s=5.0,
        consoles=5,
        silence=False,
        # Nothing here depends on how fast this machine is.
        idle_timeout_s=60.0,
        linger_s=0.2,
        steps_s=2.0,
    )
    report = await soak(settings, tmp_path)
    assert report.faults == []
    assert report.figures["keys arrived"]
    assert report.figures["links' ends"]


@pytest.fixture
def wrongs() -> list[str]:
    """What was reported."""
    return []


@pytest.fixture
def keys(wrongs: list[str]) -> ConsoleKeys:
    """Of a console."""
    return ConsoleKeys(wrongs.append)


def came(keys: ConsoleKeys, keysym: int, link: int = 1) -> None:
    """It reached the instance."""
    keys.came(link, keysym, down=True)
    keys.came(link, keysym, down=False)


def test_keys_that_come_in_order_are_right(keys: ConsoleKeys, wrongs: list[str]) -> None:
    """Of two pages in any order; what was under way to a lost link may be missing."""
    one, two = PageKeys(), PageKeys()
    sent = [keys.number(page) for page in (one, two, one, two, one, one)]
    for keysym in (sent[1], sent[0], sent[3], sent[2]):
        came(keys, keysym)
    came(keys, sent[5], link=2)
    assert (wrongs, keys.arrived, keys.lost) == ([], 5, 1)


@pytest.mark.parametrize(
    ("order", "wrong"),
    [
        ((0, 2), "key 2 before [1] of the same page"),
        ((0, 1, 1), "key 1 twice"),
        ((0, 1, 0), "key 0 twice"),
        ((0, 7), "key 7 twice, too late, or sent by nobody"),
    ],
)
def test_keys_that_are_missing_or_come_twice(
    keys: ConsoleKeys, wrongs: list[str], order: tuple[int, ...], wrong: str
) -> None:
    """By one link, under one control."""
    page = PageKeys()
    for _ in range(3):
        keys.number(page)
    for number in order:
        came(keys, FIRST_KEYSYM + number)
    assert [text[: len(wrong)] for text in wrongs] == [wrong]


def test_presses_and_releases_are_pairs(keys: ConsoleKeys, wrongs: list[str]) -> None:
    """Nothing is down when the next key comes, or released twice."""
    page = PageKeys()
    first, second = keys.number(page), keys.number(page)
    keys.came(1, first, down=True)
    keys.came(1, second, down=True)
    for _ in range(2):
        keys.came(1, first, down=False)
    assert wrongs == ["key 1 while [0] are down", "a release of key 0, which isn't down"]


def test_the_daemons_counts_explain_what_was_sent(keys: ConsoleKeys) -> None:
    """Passed on or discarded; what a page that left or lost control sent may be neither."""
    stays, leaves = PageKeys(), PageKeys()
    keys.begin_anew([(stays, 0), (leaves, 0)], 0)
    for page in (stays, stays, stays, leaves):
        keys.number(page)
    counts = [(stays, 2), (leaves, 1)]
    assert not keys.wrong_with(counts, 1)
    assert "3 were passed on and 0 discarded" in keys.wrong_with(counts, 0)
    assert keys.wrong_with(counts, 2)
    keys.left(leaves, None)
    assert not keys.wrong_with([(stays, 2)], 1)
    assert keys.wrong_with([(stays, 1)], 1)
    keys.control_lost(stays)
    assert not keys.wrong_with([(stays, 1)], 1)
    keys.begin_anew([(stays, 1)], 1)
    assert not keys.wrong_with([(stays, 1)], 1)
    assert keys.wrong_with([(stays, 2)], 1)
