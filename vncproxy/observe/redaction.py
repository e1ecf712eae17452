"""Keeping secrets out of everything that is written for people.

Three nets, each for what slips through the one before:

1. by type and by name: a value with a `reveal` method, a value under a secret's name (`token`,
   `password`), and bytes, which may be what somebody typed, are replaced before rendering;
2. registered literals: a secret that the daemon holds is found in the forms in which it travels;
3. patterns: what looks like a credential is hidden even if nobody registered it.

The last two also run over the finished line, but for secrets so short that they may be words: these
are looked for in values only: a user who chose a common word would hide the log's own words.
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum

from vncproxy.observe.secret_encodings import encodings_of
from vncproxy.observe.secret_patterns import (
    HIDDEN,
    are_no_lookalikes,
    hide_lookalikes,
    is_secret_key,
    may_hold_lookalike,
)

SECRET_MIN_LENGTH = 4
"""Shorter secrets are not searched for: they would hide every other word of the log."""

SHORT_LIVED_MAX = 512
"""Tickets and VncUrls, valid for seconds; the one registered longest ago goes first."""

WORD_MAX_LENGTH = 11
"""Longer secrets are no words: VNC passwords have at most 8 characters, tokens many more."""

_DEPTH_MAX = 6
_PREFIX = SECRET_MIN_LENGTH
"""`_has_no_literal` spells it out."""


class Redactor:
    """Hides secrets in texts and values; cheap to ask.

    What the configuration and the credentials hold is never forgotten, whatever others register.

    Asking costs one look-up a character, however many secrets are registered. Change it from one
    thread only; reading is safe from any.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """Start with the secrets that are known already."""
        self._kept: OrderedDict[str, frozenset[str]] = OrderedDict()
        self._short_lived: OrderedDict[str, frozenset[str]] = OrderedDict()
        self._uses: Counter[str] = Counter()
        self._by_prefix: dict[str, tuple[str, ...]] = {}
        for secret in secrets:
            self.register(secret)

    def register(self, secret: str, *, short_lived: bool = False) -> None:
        """Hide this secret from now on, in every form in which it may travel.

        Args:
            secret: As held; one shorter than `SECRET_MIN_LENGTH` is ignored.
            short_lived: It expires within minutes: counted apart, so that many tickets never push
                out a password.
        """
        if len(secret) < SECRET_MIN_LENGTH:
            return
        pool = self._short_lived if short_lived else self._kept
        if secret in pool:
            pool.move_to_end(secret)
            return
        if short_lived and len(pool) >= SHORT_LIVED_MAX:
            self._forget(pool.popitem(last=False)[1])
        pool[secret] = self._looked_for(secret)

    def hide_meanwhile(self, secret: str) -> Callable[[], None]:
        """Hide this secret until what is returned is called: it counts for one console only."""
        forms = [self._looked_for(secret)] if len(secret) >= SECRET_MIN_LENGTH else []

        def no_longer() -> None:
            while forms:
                self._forget(forms.pop())

        return no_longer

    def _looked_for(self, secret: str) -> frozenset[str]:
        """From now on; its forms."""
        forms = frozenset(f for f in encodings_of(secret) if len(f) >= SECRET_MIN_LENGTH)
        for form in forms:
            self._uses[form] += 1
            prefix = form[:_PREFIX]
            known = self._by_prefix.get(prefix)
            # Longest first: a form that is the start of another must not leave the other's tail.
            self._by_prefix[prefix] = (
                (form,)
                if known is None
                else tuple(sorted({*known, form}, key=lambda f: (-len(f), f)))
            )
        return forms

    def unregister(self, secret: str) -> None:
        """Stop looking for a secret that is no longer valid; unknown ones are ignored."""
        for pool in (self._kept, self._short_lived):
            forms = pool.pop(secret, None)
            if forms is not None:
                self._forget(forms)

    def is_clean(self, texts: Sequence[str]) -> bool:
        """Whether `clean` would leave each of these texts as it is, found out cheaply.

        False may be wrong: then it takes `clean` to find out. Each text is looked at by itself, so
        a secret that only comes about when they are written side by side isn't seen.
        """
        joined = "\0".join(texts)
        return self._has_no_literal(joined) and (
            not may_hold_lookalike(joined) or are_no_lookalikes(texts)
        )

    def clean(self, text: str) -> str:
        """The text with everything secret replaced by `[hidden]`."""
        return hide_lookalikes(self._without_literals(text))

    def clean_line(self, line: str) -> str:
        """A finished line, whose values are clean, without what came into it in another way."""
        return hide_lookalikes(self._without_literals(line, WORD_MAX_LENGTH + 1))

    def hide(self, value: object) -> object:
        """The value made of plain, clean parts: str, int, float, bool, None, list and dict.

        Anything else is represented by its cleaned repr; an object with `reveal`, and bytes, by
        what they are.
        """
        return self._hide(value, _DEPTH_MAX)

    def hide_item(self, key: object, value: object) -> object:
        """The value of a mapping's item: a telling name hides it whatever it is."""
        return self._hide_item(key, value, _DEPTH_MAX)

    def _hide_item(self, key: object, value: object, depth: int) -> object:
        return HIDDEN if value and is_secret_key(key) else self._hide(value, depth)

    def _hide(self, value: object, depth: int) -> object:
        if value is None or isinstance(value, bool):
            return value
        if hasattr(type(value), "reveal"):
            return HIDDEN
        if isinstance(value, Enum):
            value = value.value
        if isinstance(value, str):
            return self.clean(str(value))
        if isinstance(value, int | float):
            text = _repr(value)
            clean = self._without_literals(text)
            # JSON knows no NaN, and a subclass may render itself in its own way.
            return +value if clean == text and math.isfinite(value) else clean
        if isinstance(value, bytes | bytearray | memoryview):
            return f"[{len(value)} bytes]"
        if depth and isinstance(value, Mapping):
            return {
                self.clean(str(key)): self._hide_item(key, item, depth - 1)
                for key, item in value.items()
            }
        if depth and isinstance(value, list | tuple | set | frozenset):
            return [self._hide(item, depth - 1) for item in value]
        return self.clean(_repr(value))

    def _has_no_literal(self, text: str) -> bool:
        """Whether no form of a secret begins anywhere in the text. Mostly done in C."""
        prefixes = map("".join, zip(text, text[1:], text[2:], text[3:], strict=False))
        return self._by_prefix.keys().isdisjoint(prefixes)

    def _without_literals(self, text: str, least_length: int = 0) -> str:
        if not self._by_prefix or self._has_no_literal(text):
            return text
        parts: list[str] = []
        done = position = 0
        last = len(text) - _PREFIX
        get = self._by_prefix.get
        while position <= last:
            for form in get(text[position : position + _PREFIX], ()):
                if len(form) >= least_length and text.startswith(form, position):
                    parts += (text[done:position], HIDDEN)
                    done = position = position + len(form)
                    break
            else:
                position += 1
        return "".join((*parts, text[done:])) if parts else text

    def _forget(self, forms: Iterable[str]) -> None:
        for form in forms:
            self._uses[form] -= 1
            if self._uses[form]:
                continue
            del self._uses[form]
            prefix = form[:_PREFIX]
            left = tuple(f for f in self._by_prefix[prefix] if f != form)
            if left:
                self._by_prefix[prefix] = left
            else:
                del self._by_prefix[prefix]


def _repr(value: object) -> str:
    try:
        return repr(value)
    except Exception:
        # A broken repr must not cost the log line.
        return f"<{type(value).__name__}>"
