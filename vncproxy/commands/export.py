"""`vncproxy replay --export` and `--mp4`: a recording as pictures, or as a film."""

from __future__ import annotations

import csv
import os
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from PIL import Image

from vncproxy.errors import LocalError, RecordingError
from vncproxy.languages.text import Text
from vncproxy.recording.canvas import moments
from vncproxy.recording.reader import Recording

EXPORT_INTERVAL_S = 1.0
"""A picture that stood so long is written, and one in so long where the screen never rests."""
FRAMES_PER_S = 5
TIMES = "times.csv"
"""Names each picture's time, in seconds since the session began and in UTC."""
_PRIVATE = 0o077
"""Screens are nobody else's business: taken off the mode of what is written."""


def export(recording: Recording, folder: Path, interval_s: float = EXPORT_INTERVAL_S) -> int:
    """Write PNGs of what the screen showed, and a table of their times; gives how many.

    Args:
        recording: An open one; of one that is damaged what is whole is written.
        folder: New or empty.
        interval_s: As `EXPORT_INTERVAL_S`.

    Raises:
        RecordingError: It can't be read, or nothing was shown.
        LocalError: The folder isn't empty, or can't be written to.
    """
    if not recording.blocks:
        raise RecordingError(Text("Nothing was shown in {path}.", path=recording.path))
    try:
        folder.mkdir(mode=0o777 & ~_PRIVATE, exist_ok=True)
        if any(folder.iterdir()):
            raise LocalError(Text("{folder} isn't empty", folder=folder))
        began = _began(recording)
        with os.fdopen(_new(folder / TIMES), "w", newline="") as file:
            times = csv.writer(file)
            times.writerow(("file", "seconds", "utc"))
            count = 0
            for time_ms, image in _sampled(recording, round(interval_s * 1000)):
                utc = "" if began is None else _utc(began + timedelta(milliseconds=time_ms))
                name = f"{count:06}-{time_ms / 1000:.3f}s.png"
                with os.fdopen(_new(folder / name), "wb") as picture:
                    image.save(picture, "PNG")
                times.writerow((name, f"{time_ms / 1000:.3f}", utc))
                count += 1
        return count
    except OSError as fault:
        raise LocalError(
            Text("can't write to {folder}: {reason}", folder=folder, reason=fault.strerror)
        ) from fault


def _sampled(recording: Recording, interval_ms: int) -> Iterator[tuple[int, Image.Image]]:
    """Each picture that stood so long, and one in so long where none did; the last one, too."""
    due_ms: int | None = None
    left: tuple[int, Image.Image] | None = None
    for since_ms, until_ms, image in moments(recording):
        due_ms = since_ms + interval_ms if due_ms is None else due_ms
        left = since_ms, image
        if until_ms >= due_ms or until_ms - since_ms >= interval_ms:
            yield left
            due_ms, left = since_ms + interval_ms, None
    if left is not None:
        yield left


def film(recording: Recording, to: Path) -> None:
    """Have ffmpeg make a film.

    Args:
        recording: An open one; of one that is damaged what is whole is shown.
        to: The film, which mustn't exist yet.

    Raises:
        RecordingError: It can't be read, or nothing was shown.
        LocalError: The film is there already, or ffmpeg is missing or failed.
    """
    if to.exists():
        raise LocalError(Text("{to} is there already", to=to))
    sizes = {image.size for *_, image in moments(recording)}
    if not sizes:
        raise RecordingError(Text("Nothing was shown in {path}.", path=recording.path))
    # Encoders want even numbers.
    width, height = (-(-max(size[at] for size in sizes) // 2) * 2 for at in (0, 1))
    _encode(recording, to, (width, height))


def _encode(recording: Recording, to: Path, size: tuple[int, int]) -> None:
    command = [
        *("ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin", "-n"),
        *("-f", "rawvideo", "-pix_fmt", "rgb24", "-video_size", f"{size[0]}x{size[1]}"),
        *("-framerate", str(FRAMES_PER_S), "-i", "pipe:0"),
        *("-pix_fmt", "yuv420p", "-movflags", "+faststart", "-f", "mp4"),
        *("-metadata", f"creation_time={recording.header.started_at}"),
        f"file:{to}",
    ]
    with tempfile.TemporaryFile() as output:
        try:
            ffmpeg = subprocess.Popen(  # noqa: S603 - no shell, and every argument is ours
                command, stdin=subprocess.PIPE, stdout=output, stderr=output, umask=_PRIVATE
            )
        except FileNotFoundError as fault:
            raise LocalError(Text("--mp4 needs ffmpeg, which isn't installed")) from fault
        assert ffmpeg.stdin is not None, "a pipe"
        try:
            with ffmpeg.stdin:
                for frame in _frames(recording, size):
                    ffmpeg.stdin.write(frame)
        except BrokenPipeError:
            # It says why below.
            pass
        except BaseException:
            ffmpeg.kill()
            raise
        finally:
            status = ffmpeg.wait()
        if status:
            output.seek(0)
            words = output.read().decode(errors="replace").strip().splitlines()
            raise LocalError(
                Text(
                    "ffmpeg failed: {reason}",
                    reason=words[-1] if words else Text("status {status}", status=status),
                )
            )


def _frames(recording: Recording, size: tuple[int, int]) -> Iterator[bytes]:
    """The film's pictures, the same one as long as nothing changes."""
    count = 0
    frame = bytes(3 * size[0] * size[1])
    for _, until_ms, image in moments(recording):
        if count * 1000 < until_ms * FRAMES_PER_S:
            frame = _fitted(image, size)
        while count * 1000 < until_ms * FRAMES_PER_S:
            yield frame
            count += 1
    # At least one, and the last picture whatever its time.
    yield frame


def _fitted(image: Image.Image, size: tuple[int, int]) -> bytes:
    if image.size != size:
        whole = Image.new("RGB", size)
        whole.paste(image)
        image = whole
    return image.tobytes()


def _new(path: Path) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(path, flags, 0o666 & ~_PRIVATE)


def _began(recording: Recording) -> datetime | None:
    try:
        return datetime.fromisoformat(recording.header.started_at)
    except ValueError:
        return None


def _utc(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
