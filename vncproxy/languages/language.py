"""Which language somebody reads: English, or Simplified Chinese."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, get_args

Language = Literal["en", "zh"]

LANGUAGES: tuple[Language, ...] = get_args(Language)

TAGS: dict[Language, str] = {"en": "en", "zh": "zh-CN"}
"""As HTML's `lang` has it. Source: RFC 5646."""

_CHINESE = frozenset({"zh", "zho", "chi", "cmn", "yue"})
"""Chinese, Mandarin and Cantonese: each reads Simplified Chinese rather than English. Sources: ISO
639-1, ISO 639-2 (T and B), ISO 639-3."""

_MOST_RANGES = 32
"""More of a header aren't read."""


def known(name: str) -> Language | None:
    """The language of this name, if it is one of ours."""
    return next((language for language in LANGUAGES if language == name), None)


def accepted(header: str) -> Language:
    """The one that a browser's Accept-Language likes best; English where it likes neither.

    Any Chinese stands for ours, also `zh-Hant-TW`, `zho` or `cmn-Hans-CN` (Mandarin). Sources: RFC
    9110, section 12.5.4; RFC 5646, section 4.1.2.
    """
    best: Language = "en"
    most = 0.0
    for name, weight in _ranges(header):
        language = _of_tag(name)
        if language is not None and weight > most:
            best, most = language, weight
    return best


def of_environment(environ: Mapping[str, str]) -> Language:
    """The one of a terminal.

    The locale is that of LC_ALL, LC_MESSAGES or LANG, the first that is set. Where there is one,
    LANGUAGE may list others to be tried before it. Sources: locale(7); the GNU gettext manual, "The
    LANGUAGE variable".
    """
    named = (environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    locale = next((name for name in named if name), "")
    if locale.partition(".")[0] in ("", "C", "POSIX"):
        return "en"
    for name in (*environ.get("LANGUAGE", "").split(":"), locale):
        language = _of_tag(name.partition(".")[0].partition("@")[0])
        if language is not None:
            return language
    return "en"


def _of_tag(tag: str) -> Language | None:
    primary = tag.replace("_", "-").partition("-")[0].lower()
    return known("zh" if primary in _CHINESE else primary)


def _ranges(header: str) -> Iterator[tuple[str, float]]:
    for offer in header.split(",")[:_MOST_RANGES]:
        name, _, parameter = (part.strip() for part in offer.partition(";"))
        key, _, value = (part.strip() for part in parameter.partition("="))
        weight = 1.0
        if key.lower() == "q":
            try:
                weight = float(value)
            except ValueError:
                weight = 0.0
        yield name, weight if weight <= 1.0 else 0.0
