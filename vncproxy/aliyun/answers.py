"""An HTTP answer of the API: its fields, or an error."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vncproxy.aliyun.errors import refused, unreadable
from vncproxy.errors import CloudError
from vncproxy.observe.times import moment_of_header

_DATE_MAX_CHARS = 64
_LAST_DATE_UNIX_S = 4102444800.0
"""The year 2100: calls dated by a later clock could leave what a date can be."""
_REQUEST_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
RETRY_AFTER_MAX_S = 3600.0
"""A longer wait than this is taken for a mistake of the answer and cut to it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer.

    Args:
        headers: By lower-case name.
        body: May hold a secret.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    def fields(self, action: str) -> dict[str, Any] | CloudError:
        """The JSON object of a successful answer, or the error.

        A redirect isn't followed: the API has none, so it comes from something in between.

        Args:
            action: The API action that was called.
        """
        retry_after_s = self.retry_after_s
        parsed = _json_object(self.body)
        if parsed is None or 300 <= self.status < 400:
            return unreadable(self.status, retry_after_s)
        if 200 <= self.status < 300:
            return parsed
        code = parsed.get("Code", parsed.get("code"))
        if not isinstance(code, str) and self.status < 500:
            return unreadable(self.status, retry_after_s)
        return refused(
            self.status,
            code if isinstance(code, str) else "",
            action=action,
            request_id=_request_id(parsed),
            retry_after_s=retry_after_s,
        )

    @property
    def retry_after_s(self) -> float | None:
        """How long the cloud asked to wait, or None.

        x-acs-retry-after counts milliseconds: the SDKs sleep for it as such.
        """
        text = self.headers.get("x-acs-retry-after", "").strip()
        if not text.isascii() or not text.isdigit() or int(text[:12]) == 0:
            return None
        return min(int(text[:12]) / 1000.0, RETRY_AFTER_MAX_S)

    @property
    def date_unix_s(self) -> float | None:
        """The server's clock, in seconds since 1970, or None if the Date header isn't one."""
        date = moment_of_header(self.headers.get("date", "")[:_DATE_MAX_CHARS])
        if date is None:
            return None
        unix_s = date.timestamp()
        return unix_s if 0 <= unix_s <= _LAST_DATE_UNIX_S else None


def _json_object(body: bytes) -> dict[str, Any] | None:
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None


def _request_id(parsed: dict[str, Any]) -> str:
    value = parsed.get("RequestId", parsed.get("requestId"))
    return value if isinstance(value, str) and _REQUEST_ID.fullmatch(value) else ""
