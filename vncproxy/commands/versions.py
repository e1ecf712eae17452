"""What `vncproxy --version` prints: what somebody who helps asks first."""

from __future__ import annotations

import json
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from vncproxy import __version__

_LIBRARIES = ("aiohttp", "uvloop")
_NOVNC = Path(__file__).parents[1] / "pages" / "novnc" / "package.json"


def in_words() -> str:
    """A line: vncproxy's version, and in brackets those of what decides how it runs."""
    parts = [f"Python {platform.python_version()}"]
    parts += [f"{name} {_library(name)}" for name in _LIBRARIES]
    parts.append(f"noVNC {novnc_version(_NOVNC)}")
    return f"vncproxy {__version__} ({', '.join(parts)})"


def _library(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def novnc_version(file: Path) -> str:
    """The version in noVNC's package.json; "missing" where it isn't whole."""
    try:
        return str(json.loads(file.read_bytes())["version"])
    except (OSError, ValueError, KeyError):
        return "missing"
