"""Who is asking, and by which proof."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

How = Literal[
    "open", "bearer", "cookie", "ticket", "peer", "header", "vnc-password", "peer+vnc-password"
]
NATIVE: frozenset[How] = frozenset({"vnc-password", "peer+vnc-password"})
"""Proofs at the ports of native viewers: the port's password, and the account if it is known."""
BY_TOKEN: frozenset[How] = frozenset({"bearer", "cookie", "ticket"})
"""Proofs that began with a token."""
Kind = Literal["token", "users", "peer", "header", "open"]
"""How a door finds out who asks: `access` of [[listen]]."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a request comes from, as the door found out.

    Args:
        user: The name in lists, rules and logs.
        how: By which proof.
        kind: The door's way to know people: the same name by another way is somebody else.
        token_id: Which of a user's tokens it began with, where users have some.
        login: Which log-in a cookie is of.
    """

    user: str
    how: How
    kind: Kind = "token"
    token_id: str = ""
    login: str = field(default="", compare=False)

    @property
    def is_shared(self) -> bool:
        """Whether all that this door lets in have this name: it tells nobody apart."""
        return self.kind in ("open", "token")


ANYONE = Identity("anyone", "open", "open")
OWNER = "owner"
"""The user of a `token` door: anybody who has the token."""
UNKNOWN = Identity("native", "vnc-password", "open")
"""A viewer with a native port's password, where the kernel doesn't name its account."""
