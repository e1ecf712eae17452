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
    """Somebody whom a door let in.

    Args: user - the name in lists, rules and logs; how - by which proof; kind - of the door that
    took it: the same name from a door of another kind is somebody else; token_id - which of a
    user's tokens it began with, where users have some; login - which log-in a cookie is of.
    """

    user: str
    how: How
    kind: Kind = "token"
    token_id: str = ""
    login: str = field(default="", compare=False)


ANYONE = Identity("anyone", "open", "open")
OWNER = "owner"
"""The user of a `token` door: whoever has the token."""
UNKNOWN = Identity("native", "vnc-password", "open")
"""Whoever has a native port's password, where the kernel doesn't say which account it is."""
