"""English texts that know the message they were made of, so that they can be said in any language.

A text is English for whoever doesn't care: log, audit and JSON have it as it is. What shows it to
people asks `Catalogue.said`, which finds the message's translation and puts the values into that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce

_BRACES = re.compile(r"\{(\w+)\}([;；])?")


class Text(str):
    """An English text for people.

    Args:
        message: Its words, with a name in braces for each value: a literal, since
            `.build/messages.py` finds it in the source. A finished text, such as one that the
            daemon sent, may be given without values: `Catalogue.said` looks for its words.
        context: Tells apart what is one word in English.
        values: For the braces. Those that are a `Text` are translated, too; names, addresses and
            numbers stay.
    """

    __slots__ = ("context", "message", "values")

    message: str
    values: Mapping[str, object]
    context: str

    def __new__(cls, message: str, /, *, context: str = "", **values: object) -> Text:
        """Make one.

        Raises:
            KeyError: A value is missing.
        """
        if isinstance(message, Text) and not values:
            return message
        return _made(cls, message, message, values, context)

    def __str__(self) -> str:
        """It stays one when an exception hands it on."""
        return self

    @property
    def english(self) -> str:
        """The same, without the message: for what takes nothing but plain texts."""
        return str.__str__(self)


def counted(count: int, one: str, many: str, /, **values: object) -> Text:
    """A text about a number, which its messages have as `{count}`.

    Args:
        count: The number.
        one: The message for 1, by which the translation is found.
        many: The message for all others.
        values: As of `Text`.
    """
    return _made(Text, one, one if count == 1 else many, {"count": count, **values})


def in_lines(texts: Iterable[str]) -> Text:
    """Texts below each other."""
    return reduce(
        lambda above, line: Text("{above}\n{line}", above=above, line=line), map(Text, texts)
    )


def shortened(names: Sequence[str], most: int, joint: str = ", ") -> str:
    """Names, and how many more there are where there are more than are told.

    Args:
        names: In the order in which they are told.
        most: So many of them are.
        joint: Between two.
    """
    told = joint.join(names[:most])
    more = len(names) - most
    return Text("{names} and {more} more", names=told, more=more) if more > 0 else told


def filled(message: str, values: Mapping[str, object]) -> str:
    """A message with its values in the place of their names.

    A sentence within another, before a semicolon, has no full stop.

    Raises:
        KeyError: A value is missing.
    """
    if not values:
        return message

    def value(found: re.Match[str]) -> str:
        given = values[found[1]]
        words = str.__str__(given) if isinstance(given, str) else str(given)
        return words.rstrip(".。") + found[2] if found[2] else words

    return _BRACES.sub(value, message)


def _made(
    cls: type[Text],
    message: str,
    words: str,
    values: Mapping[str, object],
    context: str = "",
) -> Text:
    made = str.__new__(cls, filled(words, values))
    made.context = context
    made.message = message
    made.values = values
    return made
