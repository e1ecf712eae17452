"""What the lists of the past are asked for, from a request's query. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vncproxy.errors import AccessError
from vncproxy.instances.instance_list import ConsoleInstance
from vncproxy.observe.times import moment_of, utc_text

LIMIT, LIMIT_MAX = 100, 1000
"""Rows of one answer: without being asked, and at most."""
_TEXT_MAX_LENGTH = 200


@dataclass(frozen=True, slots=True)
class PastQuery:
    """What is looked for.

    Args:
        user, instance: What the name has in it; "": any.
        since_ms, until_ms: Since 1970.
        before: The place after which the list goes on, as `place_text` wrote it.
    """

    user: str
    instance: str
    since_ms: int | None
    until_ms: int | None
    before: tuple[int, str] | None
    limit: int

    def is_about(self, instance: ConsoleInstance, recorded_alias: str) -> bool:
        """Whether one of the instance's names, now or then, has what is looked for."""
        wanted = self.instance.casefold()
        names = (instance.id, instance.alias, instance.name, recorded_alias)
        return any(wanted in name.casefold() for name in names)


def past_query(query: Mapping[str, str]) -> PastQuery:
    """The parameters of a request.

    Raises:
        AccessError: 400.
    """
    for name in ("user", "instance"):
        if len(query.get(name, "")) > _TEXT_MAX_LENGTH:
            raise AccessError(400, "bad-query", f"{name} is too long.")
    return PastQuery(
        query.get("user", "").strip(),
        query.get("instance", "").strip(),
        _time_ms(query, "since"),
        _time_ms(query, "until"),
        _place(query.get("before", "")),
        _limit(query.get("limit", "")),
    )


def _time_ms(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name, "").strip()
    if not text:
        return None
    moment = moment_of(text)
    if moment is None:
        raise AccessError(
            400, "bad-time", f"{name} is a time such as 2026-11-30T12:00:00Z, or a day."
        )
    return round(moment.timestamp() * 1000)


def _limit(text: str) -> int:
    if not text:
        return LIMIT
    if text.isascii() and text.isdecimal() and 0 < int(text[:9]) <= LIMIT_MAX:
        return int(text)
    raise AccessError(400, "bad-query", f"limit is a number from 1 to {LIMIT_MAX}.")


def place_text(time_ms: int, key: object) -> str:
    """A place in a list, for its `before`."""
    return f"{time_ms}.{key}"


def _place(text: str) -> tuple[int, str] | None:
    if not text:
        return None
    time_text, _, key = text.partition(".")
    digits = time_text.removeprefix("-")
    if key and digits.isascii() and digits.isdecimal() and len(digits) < 16:
        return int(time_text), key[:_TEXT_MAX_LENGTH]
    raise AccessError(400, "bad-query", "before is what the answer before gave as more.")


def moment_text(time_ms: int | None) -> str | None:
    """A time in UTC, to the second; None: there is none."""
    if time_ms is None:
        return None
    try:
        return utc_text(time_ms // 1000)
    except (ValueError, OverflowError, OSError):
        # Such a year is only in a file that somebody wrote.
        return None
