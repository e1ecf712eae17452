"""Times as texts in ISO 8601: for programs in UTC, for people in this machine's zone."""

from __future__ import annotations

from datetime import UTC, datetime


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
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - 12 ms, which most don't need

    try:
        moment = parsedate_to_datetime(text)
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError, TypeError, IndexError):
        # The parser raises more than it documents, for a year of 20 digits for instance.
        return None


def local_or(text: object, otherwise: str) -> str:
    """For people: the moment that somebody else's text names, or something else if it names none.

    Args:
        text: As of `moment_of`.
        otherwise: For a text that names none.
    """
    moment = moment_of(text)
    return local_text(moment) if moment is not None else otherwise


def local_text(moment: datetime) -> str:
    """For people: `2026-11-30 18:45:51+01:00`.

    Args:
        moment: With a zone.
    """
    return moment.astimezone().isoformat(sep=" ", timespec="seconds")
