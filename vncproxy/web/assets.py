"""The files that pages load, in memory from the start on: what a daemon serves is of its own
version, whatever becomes of its installation meanwhile, as when pip puts another one in its place.

A page has one script and one style sheet, bundled when the package was built, each called after its
content; a browser checks that it is that. Where the bundles aren't made of the sources as they are
now, as after a change in a checkout, pages have their scripts and style sheets one by one. Other
files are below a folder that is called after the content of all of them. So no browser ever puts
one version's scripts together with another's; and it may keep them for good.

Source maps, and the scripts and style sheets that are in bundles, are for who looks into a bundle.
They are most of all the bytes, and stay on the disk: once the installation is another one, they are
gone.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePath

from vncproxy.languages.catalogue import catalogue
from vncproxy.languages.language import LANGUAGES, Language
from vncproxy.languages.markup import translated

PREFIX = "/static/"

LOADING = "js/loading.js"
"""Loads a page anew whose version's files are gone: there is one at any version's address of it."""

BUNDLES = "bundles/"
MADE_OF = f"{BUNDLES}made-of"
"""Has the digest of what the bundles are made of. Source: .build/pages/build_hook.py."""

_MAP = ".map"
NOVNC = "novnc/core/rfb.js"

_ANY_LOADING = re.compile(r"js/loading-[0-9a-f]{16}\.js\Z")
_SOURCE = re.compile(r"[^/]+\.html|css/[^/]+\.css|js/[^/]+\.js|novnc/.*\.js")
_STYLE = re.compile(r'  <link rel="stylesheet" href="/static/(css/[^"]+)">\n')
_SCRIPT = re.compile(r'<script type="module" src="/static/js/[^"]+"></script>')
_NAMED = re.compile(rf'"{PREFIX}([^"]*)"')

_BASE_PATH = '"base-path" content=""'
"""Of the element that tells a page's scripts what comes before their paths."""

GZIP_LEAST_BYTES = 512
"""Smaller files fit into a packet or two anyway."""

_TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".txt": "text/plain",
    ".md": "text/markdown",
}
"""Whatever the machine's own list says, which isn't read. Source: RFC 9239 for scripts."""

_COMPRESSIBLE = ("text/", "image/svg+xml", "application/json")


@dataclass(frozen=True, repr=False)
class Asset:
    """One file.

    Args:
        tag: The same for the same content.
    """

    body: bytes
    content_type: str
    tag: str

    @classmethod
    def of(cls, name: str, body: bytes) -> Asset:
        """A file of this name and content."""
        return cls(body, _content_type(name), _digest(body))

    @cached_property
    def integrity(self) -> str:
        """What a browser compares it with. Source: Subresource Integrity (W3C)."""
        return f"sha384-{base64.b64encode(hashlib.sha384(self.body).digest()).decode()}"

    @cached_property
    def gzipped(self) -> bytes | None:
        """It compressed, at the first request: all of them take a tenth of a second.

        None where it's no gain.
        """
        return _gzipped(self.body, self.content_type)


class Assets:
    """All files of a folder, by their paths in it; and the pages among them.

    Args:
        folder: Where they are; one that is missing has none.
    """

    def __init__(self, folder: Path) -> None:
        """Read everything.

        Raises:
            OSError: A file can't be read.
        """
        paths = dict(_files(folder))
        digests = {name: _file_digest(path) for name, path in paths.items()}
        self.bundled = _are_fresh(digests, paths.get(MADE_OF))
        self._on_disk = {
            name: (path, _short(digests[name]))
            for name, path in paths.items()
            if name.endswith(_MAP) or (self.bundled and _is_in_a_bundle(name))
        }
        found = {
            name: path.read_bytes() for name, path in paths.items() if name not in self._on_disk
        }
        for language in LANGUAGES:
            if language != "en":
                texts = catalogue(language).script()
                found[_texts_of(language)] = texts
                digests[_texts_of(language)] = hashlib.sha256(texts).hexdigest()
        lines = (f"{name}\0{_short(digest)}\n" for name, digest in sorted(digests.items()))
        self.version = f"v-{_digest(''.join(lines).encode())}"
        self._files = {name: Asset.of(name, body) for name, body in found.items()}
        self._addresses = {
            name: f"{stem}-{self._files[name].tag}.{ending}"
            for name in found
            if name == LOADING or (self.bundled and name.startswith(BUNDLES))
            for stem, _, ending in (name.rpartition("."),)
            if ending in ("js", "css")
        }
        """Of the files that are called after their own content."""
        self._hashed = {address: self._files[name] for name, address in self._addresses.items()}
        self._pages: dict[tuple[str, Language, str], Asset] = {}

    def file(self, path: str) -> tuple[Asset, bool] | None:
        """The file in memory at a path below `PREFIX`, and whether it can never be another.

        None: there is none, as at a path that begins with another version's folder.
        """
        if (hashed := self._hashed.get(path)) is not None:
            return hashed, True
        if _ANY_LOADING.match(path):
            path = LOADING
        name, lasting = self._named(path)
        asset = self._files.get(name)
        return (asset, lasting) if asset is not None else None

    def is_on_disk(self, path: str) -> bool:
        """Whether a path below `PREFIX` is of a file that isn't kept in memory."""
        return self._named(path)[0] in self._on_disk

    def from_disk(self, path: str) -> tuple[Asset, bool] | None:
        """The same as `file` for such a path, read now, which blocks.

        None: it can't be read, or isn't what it was at the start.
        """
        name, lasting = self._named(path)
        place, tag = self._on_disk[name]
        try:
            asset = Asset.of(name, place.read_bytes())
        except OSError:
            return None
        return (asset, lasting) if asset.tag == tag else None

    def page(self, name: str, language: Language, base: str = "") -> Asset:
        """A page that names its files by this version.

        Args:
            name: Of its file.
            language: Of its texts.
            base: Before all its addresses: the `base_path` of a door.

        Raises:
            KeyError: There is no such page.
        """
        found = self._pages.get((name, language, base))
        if found is None:
            source = self._files[name].body.decode()
            if self.bundled:
                source = self._with_bundles(source, f"{BUNDLES}{name.removesuffix('.html')}")
            page = _NAMED.sub(self._address, _in(language, source))
            page = page.replace('="/', f'="{base}/')
            page = page.replace(_BASE_PATH, f'"base-path" content="{base}"')
            found = self._pages[name, language, base] = Asset.of(name, page.encode())
        return found

    @property
    def names(self) -> list[str]:
        """The paths of all files in memory."""
        return sorted(self._files)

    @property
    def has_novnc(self) -> bool:
        """Whether noVNC was packed in."""
        return any(NOVNC in files for files in (self._files, self._on_disk))

    def _named(self, path: str) -> tuple[str, bool]:
        """A file's name by its path, and whether this version is in the path."""
        folder, _, rest = path.partition("/")
        return (rest, True) if folder == self.version else (path, False)

    def _address(self, named: re.Match[str]) -> str:
        name = named[1]
        address = self._addresses.get(name, f"{self.version}/{name}")
        # Not of what has to come at any version's address.
        checked = f' integrity="{self._files[name].integrity}"' if name.startswith(BUNDLES) else ""
        return f'"{PREFIX}{address}"{checked}'

    def _with_bundles(self, page: str, bundle: str) -> str:
        style = f'  <link rel="stylesheet" href="{PREFIX}{bundle}.css">\n'
        first = _STYLE.sub(lambda _: style, page, count=1)
        script = f'<script type="module" src="{PREFIX}{bundle}.js"></script>'
        return _SCRIPT.sub(lambda _: script, _STYLE.sub("", first))


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Those that are in the folder, by their paths in it; a link is followed only within it."""
    within = folder.resolve()
    for parent, _, names in os.walk(folder):
        below = Path(parent).relative_to(folder).as_posix()
        for name in names:
            path = Path(parent, name)
            is_ours = not path.is_symlink() or path.resolve().is_relative_to(within)
            if is_ours and path.is_file():
                yield name if below == "." else f"{below}/{name}", path


def _texts_of(language: Language) -> str:
    """The file that gives the scripts their texts."""
    return f"texts/{language}.js"


def _in(language: Language, source: str) -> str:
    """A page in a language; English is what its source is in, and what its scripts have."""
    if language == "en":
        return source
    page = translated(source, catalogue(language))
    # Both wait for the end of the page, and run in their order.
    texts = f'<script defer src="{PREFIX}{_texts_of(language)}"></script>\n  '
    return page.replace('<script type="module"', f'{texts}<script type="module"', 1)


def _are_fresh(digests: Mapping[str, str], made_of: Path | None) -> bool:
    """Whether the bundles are made of the sources as they are; the build hook makes the digest.

    Args:
        digests: Of all files.
        made_of: Has the digest of what the bundles are made of; None: there are no bundles.
    """
    if made_of is None:
        return False
    lines = (
        f"{name} {digest}\n" for name, digest in sorted(digests.items()) if _SOURCE.fullmatch(name)
    )
    made = made_of.read_text("utf-8", errors="replace").strip()
    return made == hashlib.sha256("".join(lines).encode()).hexdigest()


def _is_in_a_bundle(name: str) -> bool:
    """Whether no page loads a file by itself once there are bundles."""
    return bool(_SOURCE.fullmatch(name)) and not name.endswith(".html") and name != LOADING


def _content_type(name: str) -> str:
    return _TYPES.get(PurePath(name).suffix, "application/octet-stream")


def _gzipped(body: bytes, content_type: str) -> bytes | None:
    if len(body) < GZIP_LEAST_BYTES or not content_type.startswith(_COMPRESSIBLE):
        return None
    found = gzip.compress(body, mtime=0)
    return found if len(found) < len(body) else None


def _file_digest(path: Path) -> str:
    """SHA-256 of a file, which never is in memory as a whole."""
    with path.open("rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest(content: bytes) -> str:
    return _short(hashlib.sha256(content).hexdigest())


def _short(digest: str) -> str:
    return digest[:16]


ASSETS = Assets(Path(__file__).parents[1] / "pages")
"""Of this installation, as it was when the process began."""
