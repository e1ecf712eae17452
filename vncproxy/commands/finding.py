"""One line of `vncproxy check`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, whether it is well, and what to know or do."""

    what: str
    ok: bool
    text: str

    def __str__(self) -> str:
        """For people."""
        return f"{'ok  ' if self.ok else 'FAIL'}  {self.what}: {self.text}"

    @property
    def row(self) -> dict[str, Any]:
        """For programs."""
        return {"what": self.what, "ok": self.ok, "text": self.text}
