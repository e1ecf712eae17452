"""The files of the pages, in memory from the start on: what a daemon serves is of its own version,
whatever becomes of its installation meanwhile, as when pip puts another one in its place.

Pages name their files below a folder that is called after the content of all of them, so no browser
ever puts one version's scripts together with another's; and it may keep them for good.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from vncproxy.languages.catalogue import catalogue
from vncproxy.languages.language import LANGUAGES, Language
from vncproxy.languages.markup import translated

PREFIX = "/static/"

LASTING = "js/loading.js"
"""Not named by version: it is what loads a page anew whose version's files are gone."""

LASTING_ADDRESS = f"{PREFIX}{LASTING}".encode()

_BASE_PATH = b'"base-path" content=""'
"""Of the element that tells a page's scripts what comes before their paths."""

GZIP_LEAST_BYTES = 512
"""Smaller files fit into a packet or two anyway."""

_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
"""Those that browsers insist on, whatever is in the machine's own list. Source: RFC 9239."""

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
        found = dict(_files(folder))
        found |= {
            _texts_of(language): catalogue(language).script()
            for language in LANGUAGES
            if language != "en"
        }
        digests = (f"{name}\0{_digest(body)}\n" for name, body in sorted(found.items()))
        self.version = f"v-{_digest(''.join(digests).encode())}"
        self._files = {name: Asset.of(name, body) for name, body in found.items()}
        self._pages: dict[tuple[str, Language, str], Asset] = {}

    def file(self, path: str) -> tuple[Asset, bool] | None:
        """The file at a path below `PREFIX`, and whether it can never be another; None: none is.

        A path that begins with another version's folder has none.
        """
        folder, _, rest = path.partition("/")
        lasting = folder == self.version
        asset = self._files.get(rest if lasting else path)
        return (asset, lasting) if asset is not None else None

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
            page = self._versioned(_page(self._files[name].body, language))
            page = page.replace(b'="/', f'="{base}/'.encode())
            page = page.replace(_BASE_PATH, f'"base-path" content="{base}"'.encode())
            found = self._pages[name, language, base] = Asset.of(name, page)
        return found

    @property
    def names(self) -> list[str]:
        """The paths of all files."""
        return sorted(self._files)

    @property
    def has_novnc(self) -> bool:
        """Whether noVNC was packed in."""
        return "novnc/core/rfb.js" in self._files

    def _versioned(self, page: bytes) -> bytes:
        named = page.replace(f'"{PREFIX}'.encode(), f'"{PREFIX}{self.version}/'.encode())
        return named.replace(f"{PREFIX}{self.version}/{LASTING}".encode(), LASTING_ADDRESS)


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Those that are in the folder; a link is followed only within it."""
    within = folder.resolve()
    for path in folder.rglob("*"):
        if path.is_file() and path.resolve().is_relative_to(within):
            yield path.relative_to(folder).as_posix(), path.read_bytes()


def _texts_of(language: Language) -> str:
    """The file that gives the scripts their texts."""
    return f"texts/{language}.js"


def _page(source: bytes, language: Language) -> bytes:
    """A page in a language; English is what its source is in, and what its scripts have."""
    if language == "en":
        return source
    page = translated(source.decode(), catalogue(language))
    # A plain script: it has run before the modules do.
    script = f'  <script src="{PREFIX}{_texts_of(language)}"></script>\n</head>'
    return page.replace("</head>", script).encode()


def _content_type(name: str) -> str:
    known = _TYPES.get(Path(name).suffix)
    return known or mimetypes.guess_type(name)[0] or "application/octet-stream"


def _gzipped(body: bytes, content_type: str) -> bytes | None:
    if len(body) < GZIP_LEAST_BYTES or not content_type.startswith(_COMPRESSIBLE):
        return None
    found = gzip.compress(body, mtime=0)
    return found if len(found) < len(body) else None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


ASSETS = Assets(Path(__file__).parents[1] / "pages")
"""Of this installation, as it was when the process began."""
