"""The language of a page: by the user's choice, else the configuration's, else the browser's."""

from __future__ import annotations

from aiohttp import hdrs, web

from vncproxy.config.value_types import PageLanguage
from vncproxy.languages.language import Language, accepted, known

COOKIE = "vncproxy-language"
"""Set by the page's own switch; it says nothing of who it is."""

VARY = f"{hdrs.ACCEPT_LANGUAGE}, {hdrs.COOKIE}"
"""What an answer in that language depends on."""


def language_of(request: web.Request, setting: PageLanguage) -> Language:
    """The language in which whoever asks reads.

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
