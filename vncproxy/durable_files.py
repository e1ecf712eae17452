"""Files that outlive a crash: replaced in one step, and on the disk before the caller goes on.

Everything here blocks as long as the disk does.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path


def replace_file(
    path: Path, content: bytes, *, mode: int = 0o600, owner: tuple[int, int] | None = None
) -> None:
    """Give a file this content; a reader sees the old one or the new one, never a part.

    Args:
        path: The file, there or not, in a folder that exists. A link is replaced itself.
        content: All of it.
        mode: Of the new file, whatever the umask.
        owner: User and group id of the new file; None: those of the process.

    Raises:
        OSError: The old file is as it was, unless the folder alone couldn't be synced.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if owner is not None:
                os.fchown(descriptor, *owner)
            os.fchmod(descriptor, mode)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        draft.replace(path)
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder outlive a crash.

    Raises:
        OSError: It isn't sure that they do.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
