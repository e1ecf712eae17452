"""Runs the checks of this boot and reports: `python -m tests.boot REPORT`, by a unit, as root.

The first boot ends in a reboot, the second one in a poweroff.
"""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.boot import first_boot, package, second_boot
from tests.boot.machine import journal, run

SEEN = Path("/opt/check/first-boot")
Check = Callable[[], str | None]


def carry_out(checks: Sequence[Check], report: Callable[[str], None]) -> None:
    """Each in turn; one line for each, with its result."""
    for check in checks:
        name = check.__name__.replace("_", " ")
        began = time.monotonic()
        try:
            result = check()
        except Exception as fault:
            where = traceback.extract_tb(fault.__traceback__)[-1]
            text = (str(fault) or f"{where.line}").replace("\n", "\n    ")
            report(f"FAILED {name}: {type(fault).__name__}: {text}")
            report(f"    {Path(where.filename).name}, line {where.lineno}")
            for line in journal("--lines=8").splitlines():
                report(f"    {line[:300]}")
        else:
            seconds = time.monotonic() - began
            text = f": {result}".replace("\n", "\n    ") if result else ""
            report(f"ok     {name} ({seconds:.0f} s){text}")


def main(place: Path) -> None:
    """Check, report, go on to the next boot."""
    with place.open("w", buffering=1) as out:

        def report(line: str) -> None:
            out.write(f"{line.rstrip()}\n")

        if not SEEN.exists():
            SEEN.touch()
            report(f"== first boot, {run('systemctl', '--version').output.splitlines()[0]}")
            carry_out(first_boot.CHECKS, report)
            run("systemctl", "reboot")
        else:
            report("== second boot")
            carry_out(second_boot.CHECKS, report)
            if package.PACKAGES.exists():
                carry_out(package.CHECKS, report)
            else:
                report("== no Debian package was made, so none was tried")
            report("== done")
            run("systemctl", "poweroff")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
