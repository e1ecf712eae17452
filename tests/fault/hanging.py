"""`vncproxy`, with calls of the operating system that hang once a file is there.

The first that hangs makes another file beside it, `HANGING`.

    python -m tests.fault.hanging FILE NAME[,NAME...] ARGUMENTS...

Args:
    NAME: Of a function, as in `os.fsync`.
    ARGUMENTS: Of vncproxy.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from vncproxy.cli import program

HANGS_FOR_S = 600.0
HANGING = "hanging"


def main() -> None:
    """Exchange the functions, then become vncproxy."""
    _, trigger, names, *arguments = sys.argv
    for name in names.split(","):
        place, _, function = name.rpartition(".")
        owner = resolve_name(place)
        setattr(owner, function, _hanging(getattr(owner, function), Path(trigger)))
    sys.argv[1:] = arguments
    program()


def _hanging(function: Callable[..., Any], trigger: Path) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> Any:
        if trigger.exists():
            trigger.with_name(HANGING).touch()
            # As getaddrinfo(3) and fsync(2) do: who waits for it can't end it.
            time.sleep(HANGS_FOR_S)
        return function(*arguments, **named)

    return call


if __name__ == "__main__":
    main()
