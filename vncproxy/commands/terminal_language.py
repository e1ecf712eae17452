"""The language of whoever is at the terminal.

Only what is for people is said in it: tables, notes, errors, help. What programs read is English
and stays as it is: JSON, log lines, the audit, exported files.
"""

from __future__ import annotations

import os

from vncproxy.languages.catalogue import Catalogue, catalogue
from vncproxy.languages.language import of_environment
from vncproxy.languages.text import Text


def terminal_texts() -> Catalogue:
    """The texts in the language that the environment's variables name."""
    return catalogue(of_environment(os.environ))


def shown(text: str) -> str:
    """A `Text` in the terminal's language; any other as it is."""
    return terminal_texts().said(text) if isinstance(text, Text) else text
