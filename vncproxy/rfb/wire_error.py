"""Bytes that break the rules of RFB, inside the parsers only."""

from __future__ import annotations


class WireError(ValueError):
    """The peer's bytes can't be RFB; the text is plain words for the log, never payload.

    Raised and caught within `rfb`: a stream turns it into its StreamBroken event.
    """


class UnknownError(WireError):
    """It may well be RFB, but of a kind that the daemon doesn't know, nor its length."""
