"""Whether a program is there: a missing one skips a test aloud, or fails it in CI."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest

REQUIRED_VARIABLE = "TESTS_REQUIRE_PEERS"


def peers_are_required() -> bool:
    """True in continuous integration: there a skipped peer would hide that nothing was tested."""
    return os.environ.get(REQUIRED_VARIABLE) == "1" or os.environ.get("CI") == "true"


def need(program: str, package: str) -> str:
    """The path of a program, or the end of the test.

    Args:
        program: Looked for in PATH.
        package: Debian's, to tell the reader.
    """
    found = shutil.which(program)
    if found is None:
        miss(f"{program} is not installed (Debian: apt-get install {package})")
    return found


def miss(reason: str) -> NoReturn:
    """Skip the test, or fail it where peers are required."""
    if peers_are_required():
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
