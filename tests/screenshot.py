"""Makes README's picture anew: the page of `vncproxy demo` in headless Chromium.

Run by hand, after a change of the page: python -m tests.screenshot [FILE]
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import tempfile
from io import BytesIO
from pathlib import Path

from PIL import Image

from tests.real.console_tab import Tab
from tests.real.peers.browser import chromium

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / ".github" / "console.png"
WIDTH, HEIGHT = 1100, 860
COLOURS = 128
"""The page is flat; more colours make the file larger and the picture no better."""
MAX_BYTES = 150_000
START_TIMEOUT_S = 60.0
TYPED = "systemctl status sshd"


async def make(file: Path) -> None:
    """Start the demo, open its page, type a few words, and write what the window shows."""
    demo = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "vncproxy", "demo", "--port", "0"),
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
        # Its lines are read.
        env={**os.environ, "LC_ALL": "C"},
    )
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            address = await _address(demo)
        with tempfile.TemporaryDirectory() as folder:
            file.write_bytes(_small(await _window(address, Path(folder))))
    finally:
        demo.send_signal(signal.SIGINT)
        await demo.wait()


async def _address(demo: asyncio.subprocess.Process) -> str:
    """What the demo prints to open."""
    assert demo.stdout is not None
    async for line in demo.stdout:
        if found := re.match(r"Open (http\S+) in a browser", line.decode()):
            return found[1]
    raise RuntimeError("the demo ended without an address")


async def _window(address: str, folder: Path) -> bytes:
    """The window as a PNG, with a console that runs."""
    async with (
        chromium() as program,
        program.profile(width=WIDTH, height=HEIGHT) as browser,
    ):
        tab = await Tab.opened(browser, folder)
        await tab.open(address)
        await tab.runs()
        await tab.page.locator("#screen canvas").click()
        await tab.type(TYPED)
        # The guest echoes the keys, and the page's hints fade.
        await asyncio.sleep(2)
        return await tab.page.screenshot(animations="disabled")


def _small(png: bytes) -> bytes:
    """The same picture in few colours; a RuntimeError if it is too large all the same."""
    written = BytesIO()
    with Image.open(BytesIO(png)) as image:
        few = image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
        few.save(written, "PNG", optimize=True)
    if len(written.getvalue()) > MAX_BYTES:
        raise RuntimeError(f"the picture has {len(written.getvalue())} bytes")
    return written.getvalue()


if __name__ == "__main__":
    asyncio.run(make(Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE))
