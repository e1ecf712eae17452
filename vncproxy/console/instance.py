"""An ECS instance as a console knows it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ConsoleInstance:
    """One instance that may be opened.

    Args: alias - its name here, else its ECS name or id; password - the VNC password from its file;
    name, status, os_name - as DescribeInstances showed them, empty if it wasn't asked.
    """

    id: str
    region: str
    alias: str
    windows: bool = False
    password: str | None = field(default=None, repr=False)
    name: str = ""
    status: str = ""
    os_name: str = ""
    tags: tuple[tuple[str, str], ...] = ()
