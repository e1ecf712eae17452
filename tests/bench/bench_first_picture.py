"""When a console shows its first picture.

By hand: python -m tests.bench.bench_first_picture [ROUNDS]

From the moment the address is given to Chromium until the cover has gone from the screen, over a
line with 200 ms there and back, opening a connection included. Cold: a new profile. Warm: the same
page once more, all connections closed in between. The daemon is `vncproxy demo`. Prints seconds,
requests over HTTP, and what they carried.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
from pathlib import Path
from statistics import median

from tests.line import line
from tests.real.peers.browser import Browser, chromium
from tests.real.peers.process import free_port, running, until

ONE_WAY_S = 0.1
_TELLS = """
const told = new MutationObserver(() => {
    if (document.querySelector('#veil')?.hidden) {
        globalThis.firstPicture_ms ??= performance.now();
        told.disconnect();
    }
});
told.observe(document, { attributes: true, childList: true, subtree: true });
"""
_SEEN = """() => {
    const files = performance.getEntriesByType('resource').filter(one => one.transferSize > 0);
    const [page] = performance.getEntriesByType('navigation');
    const bytes = [page, ...files].reduce((sum, one) => sum + one.transferSize, 0);
    return { seconds: globalThis.firstPicture_ms / 1000, requests: files.length + 1, bytes };
}"""


async def _first_picture(browser: Browser, address: str) -> tuple[float, int, int]:
    """Seconds until it is there, requests and bytes until then."""
    page = await browser.page()
    await page.add_init_script(_TELLS)
    await page.goto(address, wait_until="commit")
    await page.wait_for_function("() => globalThis.firstPicture_ms !== undefined")
    seen = await page.evaluate(_SEEN)
    await page.close(run_before_unload=False)
    return seen["seconds"], seen["requests"], seen["bytes"]


async def _measure(rounds: int) -> None:
    port = free_port()
    found: dict[str, list[tuple[float, int, int]]] = {"cold": [], "warm": []}
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        command = (sys.executable, "-m", "vncproxy", "demo", "--port", str(port))
        async with running(*command, log=log, env=dict(os.environ)) as process:

            async def listens() -> bool:
                return re.search(r"Ctrl\+C ends it", log.read_text()) is not None

            await until(listens, "the demo starts", process=process, log=log)
            for _ in range(rounds):
                async with (
                    line(port, delay_s=ONE_WAY_S, opening_s=2 * ONE_WAY_S) as far,
                    chromium() as program,
                    program.profile() as browser,
                ):
                    for times in found.values():
                        times.append(await _first_picture(browser, f"{far.base}/console/demo"))
                        await far.close()
    for kind, times in found.items():
        seconds = ", ".join(f"{one:.2f}" for one, _, _ in times)
        print(
            f"{kind}: {median(one for one, _, _ in times):.2f} s at the median of {seconds}; "
            f"{times[-1][1]} requests, {times[-1][2] / 1000:.0f} kB"
        )


def main() -> None:
    """Measure and print."""
    asyncio.run(_measure(int(sys.argv[1]) if len(sys.argv) > 1 else 5))


if __name__ == "__main__":
    main()
