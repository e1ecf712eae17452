"""Faults of the daemon that stay where they arise: one party of a console ends, no neighbour does.

A viewer and a link are such parties. What they call and what calls them goes through `contained`,
so that nothing raised on one's behalf reaches the code that serves all of them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Concatenate, ParamSpec, Protocol, TypeVar

import structlog

_log = structlog.get_logger("vncproxy.console")


class Party(Protocol):
    """Something of a console that can end for itself."""

    def failed(self) -> None:
        """End it; called while the exception is being handled, which it logs. Raises nothing."""


P = ParamSpec("P")
S = TypeVar("S", bound=Party)


def contained(method: Callable[Concatenate[S, P], None]) -> Callable[Concatenate[S, P], None]:
    """A method whose faults end the party that it belongs to, and go no further."""

    @functools.wraps(method)
    def guarded(self: S, /, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            method(self, *args, **kwargs)
        except Exception:
            self.failed()

    return guarded


@contextmanager
def logged_faults(what: str, **names: object) -> Iterator[None]:
    """A step of a clean-up: the log has what goes wrong in it, and the next step goes on.

    Args:
        what: The step, for people.
        names: Whose clean-up it is, for the log.
    """
    try:
        yield
    except Exception:
        _log.exception("cleanup.fault", what=what, **names)
