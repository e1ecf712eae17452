"""Puts noVNC into the package before a wheel, an sdist or an editable install is made.

noVNC comes from npm, in the one version and with the one hash of package-lock.json. It is taken
from elsewhere in two cases: `NOVNC_FOLDER` names a folder that holds it (a machine without npm),
or the tree has the right version already (an unpacked sdist, a second build).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

HERE = Path(__file__).resolve().parent
FOLDER_VARIABLE = "NOVNC_FOLDER"
NPM_TIMEOUT_S = 300.0

TAKEN = ("core", "vendor", "docs/LICENSE.*", "LICENSE.txt", "AUTHORS", "package.json")
"""What is shipped of noVNC: its modules, and every text that its LICENSE.txt speaks of."""

REQUIRED = ("core/rfb.js", "vendor/pako/lib/zlib/inflate.js", "LICENSE.txt")


class NoVncError(Exception):
    """noVNC can't be had; the text says what to do about it."""


def wanted_version() -> str:
    """The version of noVNC that package.json pins."""
    package = json.loads((HERE / "package.json").read_text("utf-8"))
    return str(package["dependencies"]["@novnc/novnc"])


def version_in(folder: Path) -> str | None:
    """The version of the noVNC in `folder`, or None where there is no complete one."""
    if not all((folder / name).is_file() for name in REQUIRED):
        return None
    try:
        return str(json.loads((folder / "package.json").read_text("utf-8"))["version"])
    except (OSError, ValueError, KeyError):
        return None


def from_npm(scratch: Path) -> Path:
    """The folder of noVNC as npm unpacked it under `scratch`; raises NoVncError."""
    how_else = (
        f"or set {FOLDER_VARIABLE} to a folder that holds noVNC {wanted_version()} "
        "(core/, vendor/, LICENSE.txt)"
    )
    npm = shutil.which("npm")
    if npm is None:
        raise NoVncError(f"npm was not found. Install npm, {how_else}.")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, scratch / name)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command, found by which
            command,
            cwd=scratch,
            capture_output=True,
            text=True,
            timeout=NPM_TIMEOUT_S,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NoVncError(
            f"npm ci took longer than {NPM_TIMEOUT_S:.0f} s. Try again, {how_else}."
        ) from None
    folder = scratch / "node_modules" / "@novnc" / "novnc"
    if done.returncode != 0 or version_in(folder) is None:
        said = (done.stderr or done.stdout).strip()
        raise NoVncError(f"npm ci failed: {said}\nMend that, {how_else}.")
    return folder


def copy_taken(source: Path, target: Path) -> None:
    """Replace `target` by the parts of `source` that are shipped, whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".novnc-") as scratch:
        fresh = Path(scratch) / "novnc"
        for pattern in TAKEN:
            for found in sorted(source.glob(pattern)):
                place = fresh / found.relative_to(source)
                place.parent.mkdir(parents=True, exist_ok=True)
                if found.is_dir():
                    shutil.copytree(found, place)
                else:
                    shutil.copy(found, place)
        if target.exists():
            shutil.rmtree(target)
        fresh.rename(target)


def bring_novnc(target: Path) -> None:
    """Have noVNC in `target`; raises NoVncError."""
    given = os.environ.get(FOLDER_VARIABLE)
    if given:
        source = Path(given).expanduser()
        missing = [name for name in REQUIRED if not (source / name).is_file()]
        if missing:
            raise NoVncError(
                f"{FOLDER_VARIABLE}={given}: there is no {', no '.join(missing)} in it."
            )
        copy_taken(source, target)
    elif version_in(target) != wanted_version():
        with tempfile.TemporaryDirectory(prefix="vncproxy-novnc-") as scratch:
            copy_taken(from_npm(Path(scratch)), target)


class NoVncBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Called by hatchling; `artifacts` in pyproject.toml packs what this puts into the tree."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Have noVNC among the pages, or end the build with a plain sentence."""
        target = Path(self.root) / "vncproxy" / "pages" / "novnc"
        try:
            bring_novnc(target)
        except NoVncError as missing:
            self.app.abort(f"noVNC can't be put into the package: {missing}")
