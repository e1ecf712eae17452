"""Who is behind a viewer, and how long somebody may stay."""

from __future__ import annotations

from dataclasses import dataclass

from vncproxy.config.model import Limits


@dataclass(frozen=True, slots=True)
class ViewerIdentity:
    """Who is behind a viewer.

    Attributes:
        id: The viewer's, unique in the daemon.
        user: As the listener knows it.
        address: Where the connection came from.
        door: The listener's name.
        has_page: A page belongs to it, which can ask its user for a password.
        native: It speaks RFB over TCP, and proves itself within RFB.
        may_control: Else it only watches.
        take: Takes control from the one who has it.
        how, rule: By which proof, and allowed by what, for the audit.
        record: What the screen shows while it is on has to be recorded.
        kind: Of the listener: the same user of another kind is somebody else.
        login: The log-in that its page came by, with which it ends.
    """

    id: str
    user: str
    address: str
    door: str
    has_page: bool = False
    native: bool = False
    may_control: bool = True
    take: bool = False
    how: str = ""
    rule: str = ""
    record: bool = False
    kind: str = "token"
    login: str = ""


@dataclass(frozen=True, slots=True)
class ViewerLimits:
    """How long a viewer may stay, in seconds; 0 means no limit, but for `slow_timeout_s`."""

    idle_timeout_s: float
    max_age_s: float
    slow_timeout_s: float
    queue_bytes: int

    @classmethod
    def of(cls, limits: Limits) -> ViewerLimits:
        """Those of the configuration."""
        return cls(
            idle_timeout_s=limits.viewer_idle_timeout,
            max_age_s=limits.session_max_age,
            slow_timeout_s=limits.slow_viewer_timeout,
            queue_bytes=limits.viewer_queue,
        )
