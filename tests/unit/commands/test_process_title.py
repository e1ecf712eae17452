"""What `ps` shows of a command."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys
from pathlib import Path
from vncproxy.commands.process_title import hide_argument
for text in sys.argv[2:] + ["", "nothing of the kind"]:
    hide_argument(text)
sys.stdout.buffer.write(Path("/proc/self/cmdline").read_bytes())
"""


@pytest.mark.sockets
@pytest.mark.skipif(sys.platform != "linux", reason="it is read from /proc")
def test_an_argument_is_hidden() -> None:
    """Of whatever characters; the others stay."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "type", "geheim ü", "x"], capture_output=True, check=True
    )
    *_, kind, secret, last = done.stdout.split(b"\0")[:-1]
    assert (kind, secret, last) == (b"type", b"*" * len("geheim ü".encode()), b"*")
