"""The command line: parse, call, print; and the exit statuses.

Nothing heavy is imported before a command is known, so that --help answers at once.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import sys
import time
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import ExitStack, aclosing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from vncproxy import __version__
from vncproxy.errors import CloudError, ConfigError, LocalError, VncproxyError
from vncproxy.observe.escaping import escaped, escaped_json

if TYPE_CHECKING:
    from datetime import datetime

    from vncproxy.config.load import Loaded

DONE = 0
FAILED = 1
USAGE = 2
BAD_CONFIG = 78
"""EX_CONFIG of sysexits.h: a service manager must not restart on it."""


def program() -> NoReturn:
    """The process: one command, and the end, which waits for nothing.

    The interpreter, asyncio and libuv would each wait for every thread in a call of the operating
    system, and nothing can end those: a name's look-up, a write to a disk that hangs. Whatever has
    to be kept is safe by now, or the command has said that it isn't.
    """
    left_open = ExitStack()
    try:
        status = _main(None, left_open)
    except SystemExit as told:
        # --help, --version or wrong usage.
        status = USAGE if told.code else DONE
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = FAILED
    os._exit(status)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command inside a process that goes on; gives its exit status."""
    with ExitStack() as resources:
        return _main(arguments, resources)


def _main(arguments: Sequence[str] | None, resources: ExitStack) -> int:
    """Args: resources - gets what a process that goes on has to close."""
    _open_standard_streams()
    try:
        try:
            status = _command(arguments, resources)
        finally:
            _flush()
    except _OutputError as error:
        _complain(error.public_text)
        return FAILED
    except BrokenPipeError:
        # Whoever read the output has left.
        return FAILED
    return status


def _command(arguments: Sequence[str] | None, resources: ExitStack) -> int:
    try:
        options = _parser().parse_args(arguments)
        options.resources = resources
        status: int = options.command(options)
    except ConfigError as error:
        _complain(error.public_text)
        return BAD_CONFIG
    except CloudError as error:
        _complain(error.final_text)
        return FAILED
    except VncproxyError as error:
        _complain(error.public_text)
        return FAILED
    except KeyboardInterrupt:
        return FAILED
    return status


def _open_standard_streams() -> None:
    """Let those that are closed lead nowhere, as nohup(1) does with a terminal's.

    Else the next file or socket would get the number, and be taken for the stream; libuv aborts.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            setattr(sys, name, os.fdopen(number, mode, closefd=False))
    for stream in (sys.stdout, sys.stderr):
        # What the terminal's encoding lacks, of a name for instance, is spelt out, too.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


class _OutputError(LocalError):
    """The standard output can't be written to."""


def _print(text: str, *, flush: bool = False) -> None:
    """Print a line: what others chose of it neither moves the cursor nor starts another line.

    Raises: BrokenPipeError - its reader has left; _OutputError.
    """
    with _writing():
        print(escaped(text), flush=flush)


def _draw(picture: str) -> None:
    """Print what moves the cursor on purpose. Raises: as `_print`."""
    with _writing():
        print(end=picture, flush=True)


def _flush() -> None:
    """Raises: as `_print`. What couldn't be written is dropped: the interpreter would try again."""
    with _writing():
        sys.stdout.flush()


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(fault, BrokenPipeError):
            raise
        raise _OutputError(f"the output can't be written: {fault.strerror}") from fault


def _complain(text: str) -> None:
    # Where nobody can be told, the exit status still says it.
    with suppress(OSError):
        for line in text.split("\n"):
            _tell(f"vncproxy: {line}")


def _tell(line: str) -> None:
    print(escaped(line), file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vncproxy",
        description="Open the VNC console of an Alibaba Cloud ECS instance in a browser, "
        "and keep it open.",
    )
    parser.add_argument("--version", action="version", version=f"vncproxy {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Any, text: str, *, config: bool = True) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(command=command)
        if config:
            sub.add_argument(
                "--config",
                metavar="FILE",
                type=Path,
                help="default: $VNCPROXY_CONFIG, ~/.config/vncproxy/vncproxy.toml, "
                "/etc/vncproxy/vncproxy.toml",
            )
        return sub

    add("serve", _serve, "run the daemon")
    demo = add("demo", _demo, "run it with a simulated cloud; no account needed", config=False)
    demo.add_argument("--port", type=_port, default=6080, help="of the page (default: 6080)")
    _add_screen(demo)
    simulate = add("simulate", _simulate, "run the simulated cloud alone", config=False)
    simulate.add_argument("--config", metavar="FILE", type=Path, help="the simulator's settings")
    simulate.add_argument("--port", type=_port, help="default: the settings', else a free one")
    _add_screen(simulate)
    check = add("check", _check, "tell what would stop it from working")
    check.add_argument("instance", nargs="?", metavar="INSTANCE", help="alias or id; default: all")
    check.add_argument(
        "--as",
        dest="user",
        metavar="USER",
        type=_user,
        help="tell instead what this user may do, and the rule that decides",
    )
    check.add_argument(
        "--at",
        metavar="TIME",
        type=_local_time,
        help='with --as: at this local time, such as "2026-11-28 03:00"; default: now',
    )
    check.add_argument(
        "--door",
        metavar="NAME",
        help='with --as: through this door only; its name, or "tcp_port 5901"',
    )
    check.add_argument("--json", action="store_true", help="for programs")
    url = add("url", _url, "print a console's address with a single-use ticket, valid 60 s")
    url.add_argument("instance", metavar="INSTANCE", help="alias or id")
    url.add_argument("--base-url", metavar="URL", type=_base_url, help="how the browser gets here")
    url.add_argument(
        "--official",
        action="store_true",
        help="the cloud's own page instead, with a fresh VncUrl: a secret, valid 15 s",
    )
    url.add_argument("--force", action="store_true", help="official: also while it is open here")
    url.add_argument(
        "--with-password", action="store_true", help="official: with the VNC password in it"
    )
    instances = add("instances", _instances, "list what may be opened")
    instances.add_argument("--json", action="store_true", help="for programs")
    consoles = add("consoles", _consoles, "list what is open, and who is on")
    consoles.add_argument("--json", action="store_true", help="for programs")
    consoles.add_argument("--watch", action="store_true", help="again every 2 s, until Ctrl+C")
    kick = add("kick", _kick, "end a console, or one of its viewers")
    kick.add_argument("instance", metavar="INSTANCE", help="alias or id")
    kick.add_argument("viewer", nargs="?", metavar="VIEWER", help="id; default: the whole console")
    forget = add("forget", _forget, "forget what was learned of an instance's VNC server")
    forget.add_argument("instance", metavar="INSTANCE", help="alias or id")
    user = add("user", None, "keep the users of users_file", config=False)
    _add_user_acts(user)
    audit = add("audit", None, "look at the audit", config=False)
    acts = audit.add_subparsers(required=True, metavar="ACT")
    text = "tell whether an audit file is what the daemon wrote"
    verify = acts.add_parser("verify", help=text, description=text)
    verify.set_defaults(command=_audit_verify)
    verify.add_argument("file", metavar="FILE", type=Path)
    verify.add_argument(
        "--head",
        metavar="HASH",
        type=_hash,
        help="of a record that must be there: the newest audit.head in the daemon's log",
    )
    verify.add_argument("--json", action="store_true", help="for programs")
    recordings = add("recordings", _recordings, "list the recordings")
    recordings.add_argument("--json", action="store_true", help="for programs")
    text = "play a recording on a page, on this machine only"
    replay = add("replay", _replay, text, config=False)
    replay.add_argument("file", metavar="FILE", type=Path)
    replay.add_argument("--port", type=_port, default=6081, help="of the page (default: 6081)")
    instead = replay.add_mutually_exclusive_group()
    instead.add_argument("--info", action="store_true", help="say what is in it instead")
    replay.add_argument("--json", action="store_true", help="what is in it, for programs")
    text = "write what the screen showed to this new folder instead, as PNGs with their times"
    instead.add_argument("--export", metavar="DIR", type=Path, help=text)
    text = "make a film of it instead, with ffmpeg"
    instead.add_argument("--mp4", metavar="FILE", type=Path, help=text)
    text = "with --info or --json: whether this audit file has its SHA-256"
    replay.add_argument("--audit", metavar="AUDIT", type=Path, help=text)
    return parser


def _add_user_acts(parser: argparse.ArgumentParser) -> None:
    acts = parser.add_subparsers(required=True, metavar="ACT")
    for name, command, text in (
        ("add", _user_add, "add a user and print the token, which nothing keeps"),
        ("remove", _user_remove, "remove a user, whose token and log-ins are void at once"),
        ("list", _user_list, "list the users"),
    ):
        act = acts.add_parser(name, help=text, description=text)
        act.set_defaults(command=command)
        act.add_argument("--config", metavar="FILE", type=Path, help="as for serve")
        if name == "list":
            act.add_argument("--json", action="store_true", help="for programs")
        else:
            act.add_argument("name", metavar="NAME")
        if name == "add":
            act.add_argument("--group", metavar="G", action="append", default=[], dest="groups")


def _add_screen(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--screen",
        metavar="HOST:PORT",
        type=_host_port,
        help="put this real VNC server behind the simulator",
    )


def _port(text: str) -> int:
    if text.isascii() and text.isdecimal() and int(text) <= 65535:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no port: 0 to 65535")


def _host_port(text: str) -> str:
    host, _, port = text.rpartition(":")
    if host and port.isascii() and port.isdecimal() and 0 < int(port) <= 65535:
        return text
    raise argparse.ArgumentTypeError(f"{text!r} isn't HOST:PORT, such as 127.0.0.1:5901")


def _user(text: str) -> str:
    from vncproxy.commands.permission import can_be_user

    if can_be_user(text):
        return text
    raise argparse.ArgumentTypeError(f"{text!r} can't be a user's name")


def _local_time(text: str) -> datetime:
    from datetime import datetime

    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M")
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time such as '2026-11-28 03:00'"
        ) from None


def _hash(text: str) -> str:
    if len(text) == 64 and set(text.lower()) <= set("0123456789abcdef"):
        return text.lower()
    raise argparse.ArgumentTypeError(f"{text!r} is no SHA-256: 64 hexadecimal digits")


def _base_url(text: str) -> str:
    from urllib.parse import urlsplit

    parts = urlsplit(text)
    whole = text.isprintable() and " " not in text and not (parts.query or parts.fragment)
    # Reading the port raises ValueError where it is none, which argparse takes for a refusal.
    if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and whole:
        return text
    raise argparse.ArgumentTypeError(f"{text!r} is no http:// or https:// address")


def _load(options: argparse.Namespace) -> Loaded:
    from vncproxy.config.load import load

    return load(options.config, os.environ)


def _run(options: argparse.Namespace, work: Coroutine[Any, Any, int]) -> int:
    import asyncio

    import uvloop

    runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    options.resources.enter_context(runner)
    return runner.run(work)


def _quiet() -> None:
    """Commands speak by what they print; warnings go to standard error."""
    from vncproxy.observe.logging import configure

    configure(format="console", level="error")


def _serve(options: argparse.Namespace) -> int:
    loaded = _load(options)

    async def work() -> int:
        from vncproxy.app import serve

        await serve(loaded.config, os.environ, lambda: _load(options).config)
        return DONE

    return _run(options, work())


def _demo(options: argparse.Namespace) -> int:
    async def work() -> int:
        from vncproxy.commands.demo import demo

        await demo(options.port, options.screen, _announce)
        return DONE

    return _run(options, work())


def _announce(line: str) -> None:
    _print(line, flush=True)


def _simulate(options: argparse.Namespace) -> int:
    from dataclasses import replace

    from vncproxy.simulator.command import run
    from vncproxy.simulator.settings import SimulatorSettings
    from vncproxy.simulator.settings_file import SettingsError, load

    try:
        settings = load(options.config) if options.config else SimulatorSettings()
    except SettingsError as error:
        _complain(str(error))
        return BAD_CONFIG
    if options.port is not None:
        settings = replace(settings, port=options.port)
    if options.screen is not None:
        instances = tuple(replace(one, screen=options.screen) for one in settings.instances)
        settings = replace(settings, instances=instances)

    async def work() -> int:
        import asyncio
        import signal

        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        try:
            await run(settings, _announce, stop)
        except OSError as fault:
            _complain(f"can't listen on {settings.host}:{settings.port}: {fault.strerror}")
            return FAILED
        return DONE

    return _run(options, work())


def _check(options: argparse.Namespace) -> int:
    for name in ("at", "door"):
        if getattr(options, name) is not None and options.user is None:
            _complain(f"--{name} goes with --as")
            return USAGE
    try:
        loaded = _load(options)
    except ConfigError as error:
        if options.json:
            rows = [{"what": "configuration", "ok": False, "text": str(p)} for p in error.problems]
            _print_json(rows)
        raise
    _quiet()

    async def work() -> int:
        from vncproxy.commands.check import check

        if options.user is not None:
            return await _permissions(loaded, options)
        findings = []
        # Closed here, or a reader that leaves early would leave it half-way.
        async with aclosing(check(loaded, os.environ, options.instance)) as found:
            async for finding in found:
                findings.append(finding)
                if not options.json:
                    _announce(str(finding))
        if options.json:
            _print_json([finding.row for finding in findings])
        return DONE if all(finding.ok for finding in findings) else FAILED

    return _run(options, work())


async def _permissions(loaded: Loaded, options: argparse.Namespace) -> int:
    """0: some door lets the user do something; 1: none does, or it can't be told; 2: no such."""
    from vncproxy.commands.check import Finding
    from vncproxy.commands.permission import doors_of, permissions

    doors = doors_of(loaded.config)
    if options.door is not None and options.door not in doors:
        _complain(f"there is no door {options.door!r}; there are: {', '.join(doors)}")
        return USAGE
    asked = (options.user, options.instance, options.at, options.door)
    told = await permissions(loaded.config, os.environ, *asked)
    if options.json:
        _print_json([one.row for one in told])
    else:
        for one in told:
            _announce(str(one))
    if any(isinstance(one, Finding) for one in told):
        return FAILED
    return DONE if any(one.ok for one in told) else FAILED


def _print_json(value: Any) -> None:
    import json

    for line in escaped_json(json.dumps(value, indent=2, ensure_ascii=False)).split("\n"):
        _print(line)


def _url(options: argparse.Namespace) -> int:
    if not options.official and (options.force or options.with_password):
        _complain("--force and --with-password go with --official")
        return USAGE
    if options.official and options.base_url:
        _complain("--base-url doesn't go with --official")
        return USAGE
    loaded = _load(options)
    _quiet()

    async def work() -> int:
        from vncproxy.commands.url import console_url, official_url

        if options.official:
            url = await official_url(
                loaded.config,
                os.environ,
                options.instance,
                force=options.force,
                with_password=options.with_password,
                say=_tell,
            )
        else:
            url = await console_url(loaded.config, os.environ, options.instance, options.base_url)
        _print(url)
        return DONE

    return _run(options, work())


def _instances(options: argparse.Namespace) -> int:
    loaded = _load(options)
    _quiet()

    async def work() -> int:
        from vncproxy.commands.listing import instances, table

        answer = await instances(loaded.config, os.environ)
        if options.json:
            _print_json(answer["instances"])
        else:
            for line in table(answer["instances"]):
                _print(line)
        if answer["problem"]:
            _complain(f"the state is unknown: {answer['problem']['text']}")
        return DONE

    return _run(options, work())


def _consoles(options: argparse.Namespace) -> int:
    loaded = _load(options)
    _quiet()

    def show(rows: list[dict[str, Any]]) -> None:
        from vncproxy.commands.console_table import frame, table

        if options.json and options.watch:
            import json

            # One line each time, for programs that read lines.
            _announce(json.dumps(rows, ensure_ascii=False))
        elif options.json:
            _print_json(rows)
        else:
            lines = table(rows, time.time())
            if options.watch and sys.stdout.isatty():
                _draw(frame(lines, *shutil.get_terminal_size()))
            else:
                for line in lines:
                    _announce(line)

    async def work() -> int:
        from vncproxy.commands.consoles import consoles, watch

        if options.watch:
            await watch(loaded.config, os.environ, show)
        else:
            show(await consoles(loaded.config, os.environ))
        return DONE

    return _run(options, work())


def _kick(options: argparse.Namespace) -> int:
    loaded = _load(options)
    _quiet()

    async def work() -> int:
        from vncproxy.commands.consoles import kick

        await kick(loaded.config, os.environ, options.instance, options.viewer)
        return DONE

    return _run(options, work())


def _forget(options: argparse.Namespace) -> int:
    loaded = _load(options)
    _quiet()

    async def work() -> int:
        from vncproxy.commands.forget import forget

        _print(await forget(loaded.config, os.environ, options.instance))
        return DONE

    return _run(options, work())


def _user_add(options: argparse.Namespace) -> int:
    from vncproxy.commands.user import add

    _print(add(_load(options).config, options.name, options.groups))
    return DONE


def _user_remove(options: argparse.Namespace) -> int:
    from vncproxy.commands.user import remove

    remove(_load(options).config, options.name)
    return DONE


def _user_list(options: argparse.Namespace) -> int:
    from vncproxy.commands.user import listed

    users = listed(_load(options).config)
    if options.json:
        _print_json(users)
    else:
        for one in users:
            groups = one["groups"]
            assert isinstance(groups, list), "as it was read"
            _print(" ".join([str(one["name"]), *(f"@{group}" for group in groups)]))
    return DONE


def _audit_verify(options: argparse.Namespace) -> int:
    from vncproxy.commands.audit import as_json, in_words, verify_file

    verdict = verify_file(options.file, options.head)
    if options.json:
        _print_json(as_json(verdict))
    else:
        for line in in_words(options.file, verdict):
            _print(line)
    return DONE if verdict.intact else FAILED


def _replay(options: argparse.Namespace) -> int:
    from vncproxy.commands.replay import describe, in_words, replay

    if options.audit is not None and not (options.info or options.json):
        _complain("--audit goes with --info or --json")
        return USAGE
    if options.info or options.json:
        found = describe(options.file, options.audit)
        if options.json:
            _print_json(found)
        else:
            for line in in_words(found):
                _print(line)
        known = found["audit"]
        proven = known is None or known["problem"] is None
        return DONE if proven and not found["damaged"] else FAILED

    if options.export is not None or options.mp4 is not None:
        return _export(options)

    async def work() -> int:
        await replay(options.file, options.port, _announce)
        return DONE

    return _run(options, work())


def _export(options: argparse.Namespace) -> int:
    try:
        from vncproxy.commands.export import export, film
    except ModuleNotFoundError as fault:
        if fault.name != "PIL":
            raise
        _complain("this needs Pillow: pip install 'vncproxy[export]'")
        return FAILED
    if options.mp4 is not None:
        film(options.file, options.mp4)
    else:
        count = export(options.file, options.export)
        _print(f"{count} {'picture' if count == 1 else 'pictures'} in {options.export}")
    return DONE


def _recordings(options: argparse.Namespace) -> int:
    from vncproxy.commands.recordings import recordings, table

    rows = recordings(_load(options).config, os.environ)
    if options.json:
        _print_json(rows)
    else:
        for line in table(rows):
            _print(line)
    return DONE
