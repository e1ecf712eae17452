"""What the queries of routes may have: nothing else, or a misspelt wish would be no wish."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aiohttp import web
from aiohttp.typedefs import Handler
from multidict import MultiMapping

from vncproxy.errors import AccessError

FLAGS = frozenset({"ahead", "follow", "live", "passed", "take", "thumbnail", "view", "wake"})
"""Those that are 1, or 0 as if they weren't there."""


def with_query(
    handler: Handler, names: tuple[str, ...], let_in: Callable[[web.Request], object]
) -> Handler:
    """The handler, for requests whose query has nothing but these names, each once.

    Args:
        handler: Answers those.
        names: Those that it reads.
        let_in: Raises AccessError for a stranger, who isn't told what a query may have.
    """

    async def checked(request: web.Request) -> web.StreamResponse:
        try:
            check_query(request.query, names)
        except AccessError:
            let_in(request)
            raise
        return await handler(request)

    return checked


def check_query(query: MultiMapping[str], names: tuple[str, ...]) -> None:
    """Refuse what nobody reads.

    Args:
        query: The request's.
        names: Those that are read.

    Raises:
        AccessError: 400: there is another name, one comes twice, or a flag is neither 0 nor 1.
    """
    for name in set(query):
        if name not in names:
            # Without the name, which may be a ticket: refusals go to the audit.
            known = (
                f"It knows {', '.join(names)}."
                if names
                else "It knows none: leave out all from the ? on."
            )
            raise AccessError(
                400,
                "bad-query",
                f"The query has a parameter that this address doesn't know. {known}",
            )
        if len(query.getall(name)) > 1:
            raise AccessError(400, "bad-query", f"{name} is there more than once.")
    for name in FLAGS.intersection(query):
        if query[name] not in ("0", "1"):
            raise AccessError(400, "bad-query", f"{name} is 1, or 0.")


def one_of(query: Mapping[str, str], name: str, values: tuple[str, ...]) -> str:
    """The value of a parameter, the first where it is missing.

    Raises:
        AccessError: 400: it is none of these.
    """
    value = query.get(name) or values[0]
    if value not in values:
        raise AccessError(400, "bad-query", f"{name} is {' or '.join(values)}.")
    return value
