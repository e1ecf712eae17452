"""The language of a page: by the user's choice, else the configuration's, else the browser's.

The daemon's own texts are English; what a page is sent of them is put into its language here.
"""

from __future__ import annotations

from aiohttp import hdrs, web

from vncproxy.config.value_types import PageLanguage
from vncproxy.languages.catalogue import Catalogue, catalogue
from vncproxy.languages.language import Language, accepted, known
from vncproxy.web.context import BEHIND

COOKIE = "vncproxy-language"
"""Set by the page's own switch; it says nothing of who it is."""

VARY = f"{hdrs.ACCEPT_LANGUAGE}, {hdrs.COOKIE}"
"""What an answer in that language depends on."""


def language_of(request: web.Request, setting: PageLanguage) -> Language:
    """The language in which the asking user reads.

    Args:
        request: Of a browser.
        setting: [pages] language.
    """
    chosen = known(request.cookies.get(COOKIE, ""))
    if chosen is not None:
        return chosen
    if setting != "auto":
        return setting
    return accepted(request.headers.get(hdrs.ACCEPT_LANGUAGE, ""))


def for_page(request: web.Request) -> Catalogue:
    """The texts for a browser that navigates to a page."""
    behind = request.app.get(BEHIND)
    setting = behind.services.settings().language if behind is not None else "auto"
    return catalogue(language_of(request, setting))


def for_socket(request: web.Request) -> Catalogue:
    """The texts for a page's WebSocket: `?language=` says what the page is in.

    Chromium 150, whose pages ask for Chinese, was seen to open WebSockets in English.
    """
    named = known(request.query.get("language", ""))
    return for_page(request) if named is None else catalogue(named)


def for_call(request: web.Request) -> Catalogue:
    """The texts for a caller of the API: pages name their language, and programs get English
    unless they do.
    """
    return catalogue(accepted(request.headers.get(hdrs.ACCEPT_LANGUAGE, "")))
