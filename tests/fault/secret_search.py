"""Looks for planted secrets in whatever came out of the daemon, in every form that gives them away.

With no code in common with the daemon's own redaction, so that the two can't share a mistake.
"""

from __future__ import annotations

import base64
import json
import traceback
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

from vncproxy.errors import VncproxyError

LEAST_BYTES = 6
"""A shorter form would be found by chance."""


class Planted:
    """Secrets by their names, and where they may be looked for."""

    def __init__(self) -> None:
        """Nothing is planted."""
        self._forms: dict[bytes, str] = {}

    def plant(self, name: str, secret: str) -> str:
        """Look for this from now on; gives it back."""
        assert len(secret.encode()) >= LEAST_BYTES, "too short to be looked for"
        for form in forms(secret):
            self._forms.setdefault(form, name)
        return secret

    @property
    def names(self) -> set[str]:
        """What is looked for."""
        return set(self._forms.values())

    def found_in(self, output: str | bytes) -> set[str]:
        """The names of the secrets that this gives away."""
        data = output.encode("utf-8", "surrogateescape") if isinstance(output, str) else output
        # What an encoding writes in either case is compared in lower case too.
        lower = data.lower()
        return {name for form, name in self._forms.items() if form in data or form.lower() in lower}

    def found_in_folder(self, folder: Path, *, but: frozenset[str]) -> set[tuple[str, str]]:
        """(file, secret) for every file below a folder, its name included.

        Args:
            folder: With all folders in it.
            but: Names of files that may hold one.
        """
        found = set()
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            if file.name not in but:
                content = file.read_bytes() + file.name.encode()
                found |= {(file.name, name) for name in self.found_in(content)}
        return found


def forms(secret: str) -> set[bytes]:
    """The secret as it is, percent-encoded, in JSON, in a repr, in hex and in base64."""
    texts = {secret, quote(secret, safe=""), quote_plus(secret)}
    texts |= {quote(text, safe="") for text in texts}
    texts |= {json.dumps(text)[1:-1] for text in texts} | {repr(text)[1:-1] for text in texts}
    raw = secret.encode()
    found = {text.encode() for text in texts} | {raw.hex().encode()}
    for before in range(3):
        coded = base64.b64encode(bytes(before) + raw + bytes(3))
        # Characters that hold bits of the neighbours too are left out.
        inner = coded[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6]
        if len(inner) > LEAST_BYTES:
            found |= {inner, inner.translate(bytes.maketrans(b"+/", b"-_"))}
    return found


def texts_of(error: BaseException) -> Iterator[str]:
    """All that an exception could give away: its traceback, and every link of its chain.

    Those that a traceback leaves out are there, too.
    """
    yield "".join(traceback.format_exception(error))
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        waiting += [one.__cause__, one.__context__]
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions
        yield from (str(one), repr(one), repr(one.args), repr(vars(one)))
        yield from getattr(one, "__notes__", [])
        if isinstance(one, VncproxyError):
            yield one.public_text
            yield repr(one.close_reason())
