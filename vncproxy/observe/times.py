"""Times as texts in ISO 8601: for programs in UTC, for people in this machine's zone."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def utc_text(time_s: float) -> str:
    """For JSON: `2026-11-30T17:45:51Z`.

    Args:
        time_s: Seconds since 1970.

    Raises:
        ValueError, OverflowError, OSError: There is no such year.
    """
    return f"{datetime.fromtimestamp(int(time_s), UTC).replace(tzinfo=None).isoformat()}Z"


def moment_of(text: object) -> datetime | None:
    """The moment that somebody else's text names, with its zone; None: it names none."""
    try:
        moment = datetime.fromisoformat(str(text))
        return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    except ValueError:
        return None


def moment_of_header(text: str) -> datetime | None:
    """The moment in an HTTP header that somebody else wrote; None: there is none.

    Source: RFC 9110, section 5.6.7.
    """
    try:
        return parsedate_to_datetime(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def local_text(moment: datetime) -> str:
    """For people: `2026-11-30 18:45:51+01:00`.

    Args:
        moment: With a zone.
    """
    return moment.astimezone().isoformat(sep=" ", timespec="seconds")
