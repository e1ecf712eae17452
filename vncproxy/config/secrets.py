"""Secrets in files: read with care, made when missing, hidden when printed."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from vncproxy.durable_files import sync_folder
from vncproxy.errors import ConfigError, ConfigProblem
from vncproxy.languages.text import Text

MAX_SECRET_BYTES = 65536
"""Room for a private key with a long chain; a secret file longer than this is a mistake."""

VNC_PASSWORD = Text(
    "1 to 8 printable ASCII characters (Aliyun's are exactly six letters or digits)"
)
"""What a VNC password is. VncAuth uses 8 bytes as its key: RFC 6143, section 7.2.2. Six letters or
digits: ECS API reference, ModifyInstanceVncPasswd."""

MIN_HEADER_SECRET_LENGTH, MAX_HEADER_SECRET_LENGTH = 32, 4096
"""Characters. The most leaves room for other headers beside it."""
HEADER_SECRET = Text(
    "one line of at least {least} letters, digits or "
    "signs of ASCII, without spaces: make one with `openssl rand -hex 32`",
    least=MIN_HEADER_SECRET_LENGTH,
)
"""What a proxy's secret is."""

FORBIDDEN_MODE = stat.S_IWGRP | stat.S_IRWXO
"""Bits that a file with a secret must not have."""
_TOKEN_BYTES = 32


class Secret:
    """A text that only `reveal` gives: neither `str`, `repr` nor a format shows it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        """Hide the text."""
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __repr__(self) -> str:
        """Nothing of the text, not even its length."""
        return "Secret(…)"

    def __eq__(self, other: object) -> bool:
        """Compare in constant time."""
        if not isinstance(other, Secret):
            return NotImplemented
        return secrets.compare_digest(
            self._text.encode(errors="surrogatepass"), other._text.encode(errors="surrogatepass")
        )

    def __hash__(self) -> int:
        """Equal secrets hash alike."""
        return hash((Secret, self._text))


def read_secret(path: Path) -> str:
    """The text of a secret file, without one trailing line end.

    The file may be a symbolic link (systemd and Kubernetes hand out secrets that way); what counts
    is the file it leads to, which has to be a regular one that others can't read, write or run and
    its group can't write: 0600, or 0640 with root:vncproxy.

    Raises:
        ConfigError: It can't be read or isn't safe; the text holds the path, nothing of the
            content.
    """
    text = _read(path)
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise _error(path, Text("an empty file"), Text("a file with one secret in it"))
    return text


def read_vnc_password(path: Path) -> Secret:
    """A VNC password from a file.

    Raises:
        ConfigError: As `read_secret`, or it can't be a VNC password.
    """
    password = read_secret(path)
    if not is_vnc_password(password):
        raise _error(path, Text("a text that can't be a VNC password (not shown)"), VNC_PASSWORD)
    return Secret(password)


def read_header_secret(path: Path) -> str:
    """What a reverse proxy has to send, from a file: it alone proves who everybody is.

    Raises:
        ConfigError: As `read_secret`, or a header can't hold it, or it could be guessed.
    """
    text = read_secret(path)
    fits = MIN_HEADER_SECRET_LENGTH <= len(text) <= MAX_HEADER_SECRET_LENGTH
    if not fits or not text.isascii() or not text.isprintable() or " " in text:
        raise _error(path, Text("a text that can't be a proxy's secret (not shown)"), HEADER_SECRET)
    return text


def is_vnc_password(text: str) -> bool:
    """Whether it may be a VNC password; `VNC_PASSWORD` says what one is."""
    return 1 <= len(text) <= 8 and text.isascii() and text.isprintable()


def ensure_token(path: Path) -> str:
    """The token in a file; makes one of 256 random bits, URL-safe, where there is none.

    A new file has mode 0600 and appears with its whole content or not at all, so that two processes
    starting together agree on one token. Missing parent folders get mode 0700.

    Raises:
        ConfigError: As `read_secret`, or the file can't be written.
    """
    try:
        if not path.exists():
            _make(path)
    except (OSError, ValueError) as error:
        raise _error(path, _reason(error), Text("a token file that can be made")) from error
    return read_secret(path)


def _make(path: Path) -> None:
    for folder in reversed(path.parents):
        # Not mkdir(parents=True), which gives the folders between the default mode.
        if not folder.exists():
            folder.mkdir(mode=0o700, exist_ok=True)
    # Not `replace_file`, which would take away the token that another process has just made.
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_urlsafe(_TOKEN_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            # Fails if the name exists.
            path.hardlink_to(draft)
            sync_folder(path.parent)
        except FileExistsError:
            return
    finally:
        draft.unlink()


def _read(path: Path) -> str:
    try:
        # Non-blocking: opening a named pipe would otherwise wait for its writer.
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            # The open file is what is judged, so that it can't be exchanged in between.
            _check_mode(path, os.fstat(handle).st_mode)
            with os.fdopen(handle, "rb", closefd=False) as file:
                content = file.read(MAX_SECRET_BYTES + 1)
        finally:
            os.close(handle)
    except (OSError, ValueError) as error:
        raise _error(path, _reason(error), Text("a file that can be read")) from error
    if len(content) > MAX_SECRET_BYTES:
        raise _error(
            path,
            Text("a long file"),
            Text("a secret of at most {most} bytes", most=MAX_SECRET_BYTES),
        )
    try:
        return content.decode()
    except UnicodeDecodeError:
        # Without the cause, which holds the bytes.
        raise _error(path, Text("bytes that aren't UTF-8"), Text("a text in UTF-8")) from None


def _check_mode(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise _error(path, Text("something else than a regular file"), Text("a regular file"))
    if mode & FORBIDDEN_MODE:
        raise _error(
            path,
            Text("mode {mode}", mode=f"{stat.S_IMODE(mode):04o}"),
            Text("a secret that others can't read or write: mode 0600, or 0640"),
        )


def _reason(error: OSError | ValueError) -> str:
    """What the system says, without the path: that stands in the problem already."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return Text("a path that can't exist")


def _error(path: Path, found: str, expected: str) -> ConfigError:
    return ConfigError([ConfigProblem(str(path), Text("secret file"), found, expected)])
