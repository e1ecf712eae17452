"""What the lists of the past are asked for."""

from __future__ import annotations

import pytest

from vncproxy.errors import AccessError
from vncproxy.instances.instance_list import ConsoleInstance
from vncproxy.web.past_query import LIMIT, moment_text, past_query, place_text


def test_nothing_asked_for_is_everything() -> None:
    query = past_query({})
    assert (query.user, query.instance, query.since_ms, query.until_ms) == ("", "", None, None)
    assert (query.before, query.limit) == (None, LIMIT)


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("1970-01-02", 86_400_000),
        ("1970-01-01T00:00:01", 1000),
        ("1970-01-01T00:00:01.5Z", 1500),
        ("1970-01-01T01:00:00+01:00", 0),
        (" 1970-01-01 ", 0),
    ],
)
def test_times(text: str, milliseconds: int) -> None:
    """Without a zone they are in UTC."""
    assert past_query({"since": text}).since_ms == milliseconds


@pytest.mark.parametrize(
    "query",
    [
        {"since": "now"},
        {"until": "2026-13-01"},
        {"limit": "0"},
        {"limit": "1001"},
        {"limit": "-1"},
        {"limit": "9" * 99},
        {"before": "x"},
        {"before": "1."},
        {"before": f"{'9' * 99}.1"},
        {"user": "x" * 201},
        {"instance": "x" * 201},
    ],
)
def test_what_cannot_be_meant(query: dict[str, str]) -> None:
    with pytest.raises(AccessError) as refusal:
        past_query(query)
    assert refusal.value.status == 400


def test_a_place_comes_back() -> None:
    assert past_query({"before": place_text(-5, "a.vncrec")}).before == (-5, "a.vncrec")


def test_an_instance_goes_by_all_its_names() -> None:
    """In capital or small letters, now or then."""
    instance = ConsoleInstance("i-1", "cn-hangzhou", "web-1", name="Shop")
    for text in ("I-1", "WEB", "shop", "old"):
        assert past_query({"instance": text}).is_about(instance, "old-name")
    assert not past_query({"instance": "db"}).is_about(instance, "old-name")


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(0, "1970-01-01T00:00:00Z"), (1999, "1970-01-01T00:00:01Z"), (None, None), (10**17, None)],
)
def test_moments(milliseconds: int | None, text: str | None) -> None:
    assert moment_text(milliseconds) == text
