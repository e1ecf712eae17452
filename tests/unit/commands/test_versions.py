"""`vncproxy --version`."""

from __future__ import annotations

import platform
import re
from pathlib import Path

from vncproxy import __version__
from vncproxy.commands.versions import in_words, novnc_version


def test_all_are_named() -> None:
    """The package's own comes first, as scripts expect."""
    number = r"\d+\.\d+[\w.+]*"
    assert re.fullmatch(
        rf"vncproxy {re.escape(__version__)} \(Python {re.escape(platform.python_version())}, "
        rf"aiohttp {number}, uvloop {number}, noVNC {number}\)",
        in_words(),
    )


def test_without_novnc(tmp_path: Path) -> None:
    """An installation without its pages says so."""
    file = tmp_path / "package.json"
    assert novnc_version(file) == "missing"
    file.write_text("{}")
    assert novnc_version(file) == "missing"
    file.write_text('{"version": "1.7.0"}')
    assert novnc_version(file) == "1.7.0"
