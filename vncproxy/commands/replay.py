"""`vncproxy replay`: a page that plays a recording; or what is in it, pictures, a film.

See `recording_info` and `export`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from vncproxy.commands.command import DONE, FAILED, USAGE, Command, add_json, add_page_port
from vncproxy.commands.output import (
    print_json,
    print_line,
    print_lines,
    print_problem,
    require_output,
)
from vncproxy.commands.running import run_async
from vncproxy.errors import LocalError, RecordingError
from vncproxy.languages.text import Text, counted

if TYPE_CHECKING:
    import asyncio

    from vncproxy.recording.reader import Recording

DEFAULT_PORT = 6081
HOST = "127.0.0.1"
CLOSE_TIMEOUT_S = 1.0


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", type=Path)
    add_page_port(parser, DEFAULT_PORT)
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--info", action="store_true", help="say what is in it instead")
    add_json(parser, "what is in it, for programs")
    text = "write what the screen showed to this new folder instead, as PNGs with their times"
    instead.add_argument("--export", metavar="DIR", type=Path, help=text)
    text = "make a film of it instead, with ffmpeg"
    instead.add_argument("--mp4", metavar="FILE", type=Path, help=text)
    text = "with --info or --json: whether this audit file has its SHA-256"
    parser.add_argument("--audit", metavar="AUDIT", type=Path, help=text)


def _run(options: argparse.Namespace) -> int:
    if options.info or options.json:
        return _print_info(options)
    if options.audit is not None:
        print_problem(Text("--audit goes with --info or --json"))
        return USAGE
    if options.export is not None or options.mp4 is not None:
        return _export(options)

    # Nobody would know the address.
    require_output()

    async def work() -> int:
        await replay(options.file, options.port, print_line)
        return DONE

    return run_async(options, work())


def _print_info(options: argparse.Namespace) -> int:
    """FAILED: it is damaged, or the audit doesn't have it as it is."""
    require_output()
    from vncproxy.commands.recording_info import describe, in_words

    found = describe(options.file, options.audit)
    if options.json:
        print_json(found)
    else:
        print_lines(in_words(found))
    known = found["audit"]
    proven = known is None or known["problem"] is None
    return DONE if proven and not found["damaged"] else FAILED


def _export(options: argparse.Namespace) -> int:
    from vncproxy.recording.reader import Recording

    try:
        from vncproxy.commands.export import export, film
    except ModuleNotFoundError as fault:
        if fault.name != "PIL":
            raise
        print_problem(Text("this needs Pillow: pip install 'vncproxy[export]'"))
        return FAILED
    with closing(Recording(options.file)) as recording:
        if options.mp4 is not None:
            film(recording, options.mp4)
        else:
            count = export(recording, options.export)
            print_line(
                counted(
                    count,
                    "{count} picture in {folder}",
                    "{count} pictures in {folder}",
                    folder=options.export,
                )
            )
    if recording.damage:
        print_problem(
            Text("{file} is damaged: what isn't as it was written was left out", file=options.file)
        )
        return FAILED
    return DONE


async def replay(
    path: Path, port: int, announce: Callable[[str], None], stop: asyncio.Event | None = None
) -> None:
    """Serve the page until SIGINT or SIGTERM, or `stop`.

    Args:
        path: Of the recording.
        port: Of the page; 0: any.
        announce: Called with a line that has the page's address.
        stop: Ends it, instead of the signals.

    Raises:
        RecordingError: There is nothing to play.
        LocalError: The port can't be had.
    """
    from vncproxy.recording.reader import Recording

    recording = Recording(path)
    try:
        if not recording.blocks:
            raise RecordingError(Text("Nothing was shown in {path}.", path=path))
        await _serve(recording, path, port, announce, stop or _stopped_by_signals())
    finally:
        recording.close()


async def _serve(
    recording: Recording,
    path: Path,
    port: int,
    announce: Callable[[str], None],
    stop: asyncio.Event,
) -> None:
    import secrets

    from aiohttp import web

    from vncproxy.web.replay import application

    key = secrets.token_urlsafe(16)
    runner = web.AppRunner(
        application(recording, key),
        access_log=None,
        handle_signals=False,
        shutdown_timeout=CLOSE_TIMEOUT_S,
    )
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, HOST, port).start()
        except OSError as fault:
            raise LocalError(
                Text(
                    "can't listen on {host}:{port}: {reason}; choose another with --port",
                    host=HOST,
                    port=port,
                    reason=fault.strerror,
                )
            ) from fault
        bound = runner.addresses[0][1]
        announce(
            Text(
                "{name}: open http://{host}:{bound}/#{key}",
                name=path.name,
                host=HOST,
                bound=bound,
                key=key,
            )
        )
        await stop.wait()
    finally:
        await runner.cleanup()


def _stopped_by_signals() -> asyncio.Event:
    import asyncio
    import signal

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


COMMAND = Command(
    "replay",
    "play a recording on a page, on this machine only",
    (
        "vncproxy replay session.vncrec",
        "vncproxy replay session.vncrec --info --audit /var/lib/vncproxy/audit.jsonl",
        "vncproxy replay session.vncrec --mp4 session.mp4",
    ),
    _add_arguments,
    _run,
)
