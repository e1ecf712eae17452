"""Who is asking, and what they may do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

How = Literal["open", "bearer", "cookie", "ticket"]


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody whom a door let in.

    Args: user - the name in lists and logs; how - by which proof.
    """

    user: str
    how: How


ANYONE = Identity("anyone", "open")
OWNER = "owner"
"""The user of a `token` door: whoever has the token."""
