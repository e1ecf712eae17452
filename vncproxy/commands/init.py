"""`vncproxy init`: writes a first configuration by asking; see `first_configuration`.

Nothing is written, and no folder made, before the last answer. It asks for no secret: credentials
come from where the daemon will find them.
"""

from __future__ import annotations

import argparse
import getpass
import os
import re
import stat
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from vncproxy.commands.check import print_findings
from vncproxy.commands.command import DONE, FAILED, USAGE, Command
from vncproxy.commands.first_configuration import DOORS, Choices, Picked, named, numbers, text_of
from vncproxy.commands.output import aligned, print_line, print_lines, print_note, print_problem
from vncproxy.commands.questions import Ask, agreed, ask
from vncproxy.commands.running import log_errors_only, run_async
from vncproxy.errors import CloudError, LocalError
from vncproxy.languages.text import Text

if TYPE_CHECKING:
    from vncproxy.aliyun.instances import EcsInstance
    from vncproxy.config.model import Config

NOTHING_WRITTEN = Text("nothing was written")
_SHOWN_MAX = 100
"""Instances in the list that one picks from; whoever has more wants all, or types ids."""
_MODE = 0o644
"""Of a new file: there is no secret in it."""


_HEADINGS = ("", Text("NAME"), Text("ID"), Text("STATUS"), Text("SYSTEM"))


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    text = (
        "where it is written; default: $VNCPROXY_CONFIG, or the file that is read now, or "
        "~/.config/vncproxy/vncproxy.toml"
    )
    parser.add_argument("--config", metavar="FILE", type=Path, help=text)
    parser.add_argument(
        "--region", metavar="REGION", type=region_id, help="of the instances, such as cn-hangzhou"
    )
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--instance",
        metavar="[ALIAS=]ID",
        type=instance_given,
        action="append",
        default=[],
        dest="instances",
        help="one that may be opened; may be given several times",
    )
    group.add_argument(
        "--discover", action="store_true", help="all that the cloud shows in the region"
    )
    parser.add_argument(
        "--access",
        choices=tuple(DOORS),
        help="who may come in: the owner of the token, accounts of this machine, or users with "
        "tokens of their own",
    )
    parser.add_argument(
        "--address",
        metavar="ADDRESS",
        default="127.0.0.1:6080",
        help="to listen on (default: 127.0.0.1:6080)",
    )
    parser.add_argument(
        "--user",
        metavar="USER",
        type=user_given,
        action="append",
        default=[],
        dest="users",
        help="peer and users: who may open and control them; @GROUP for a group; may be given "
        "several times",
    )
    parser.add_argument("--force", action="store_true", help="replace a file that is there")


def region_id(text: str) -> str:
    """A region, as it was given.

    Raises:
        ArgumentTypeError: It can't be one.
    """
    from vncproxy.aliyun.instances import check_region

    try:
        check_region(text)
    except CloudError:
        raise argparse.ArgumentTypeError(
            Text("{text} is no region such as cn-hangzhou", text=repr(text))
        ) from None
    return text


def instance_given(text: str) -> Picked:
    """An instance as `ID` or `ALIAS=ID`.

    Raises:
        ArgumentTypeError: It is neither.
    """
    from vncproxy.config.value_types import INSTANCE_ID_PATTERN, NAME_PATTERN

    alias, equals, instance_id = text.rpartition("=")
    if not re.match(INSTANCE_ID_PATTERN, instance_id):
        raise argparse.ArgumentTypeError(
            Text("{text} is no id such as i-bp1xxxxxxxxxxxxxxxxx, or ALIAS=ID", text=repr(text))
        )
    if equals and (not re.match(NAME_PATTERN, alias) or alias.startswith("i-")):
        raise argparse.ArgumentTypeError(Text("{alias} can't be an alias", alias=repr(alias)))
    return Picked(instance_id, alias)


def user_given(text: str) -> str:
    """Somebody whom a rule may name.

    Raises:
        ArgumentTypeError: No rule can.
    """
    from vncproxy.config.cross_checks import is_rule_user

    if is_rule_user(text):
        return text
    raise argparse.ArgumentTypeError(Text("{text} can't be a user's name", text=repr(text)))


def _run(options: argparse.Namespace) -> int:
    asks = sys.stdin.isatty()
    if problem := _usage_problem(options, asks=asks):
        print_problem(problem)
        return USAGE
    file = target(options.config)
    log_errors_only()
    try:
        if (file.exists() or file.is_symlink()) and not options.force:
            if not asks:
                raise LocalError(Text("{file} is there already; --force replaces it", file=file))
            if not agreed(
                ask, Text("{file} is there already. Replace it", file=file), default=False
            ):
                print_note(NOTHING_WRITTEN)
                return FAILED
        written = Interview(options, ask if asks else None).hold(file)
    except (KeyboardInterrupt, EOFError):
        print_note("")
        written = False
    if not written:
        print_note(NOTHING_WRITTEN)
        return FAILED
    return _finish(options, file)


def _usage_problem(options: argparse.Namespace, *, asks: bool) -> str | None:
    """What doesn't go together, or is missing where nobody can be asked."""
    if options.users and options.access in (None, "token"):
        return Text("--user goes with --access peer or users")
    if asks:
        return None
    if options.region is None or not (options.instances or options.discover):
        return Text("there is nobody to ask here; say --region, and --instance or --discover")
    if options.access in ("peer", "users") and not options.users:
        return Text(
            "there is nobody to ask here; say --user with --access {access}", access=options.access
        )
    return None


def target(named: Path | None) -> Path:
    """The file to write.

    Args:
        named: By --config.

    Raises:
        LocalError: The account has no home, and no file is named.
    """
    from vncproxy.config.paths import USER_FILE, find_file, home_folder

    found = find_file(named, os.environ)
    if found is None:
        home = home_folder(os.environ)
        if home is None:
            raise LocalError(Text("this account has no home; say --config FILE"))
        found = home / USER_FILE
    return found.absolute()


class Interview:
    """The questions whose answers no option gave."""

    def __init__(self, options: argparse.Namespace, ask: Ask | None) -> None:
        """Ask nothing yet.

        Args:
            options: The command's.
            ask: None: there is nobody to ask, and the options say all that is needed.
        """
        self._options = options
        self._ask = ask

    def hold(self, file: Path) -> bool:
        """Ask, and write the file; whether it is wanted after all.

        Raises:
            ConfigError: The choices don't fit each other, or the environment's settings are wrong.
            LocalError: The file can't be written.
            EOFError, KeyboardInterrupt: The answers have ended; nothing was written.
        """
        from vncproxy.config.load import config_of

        # What the environment sets, such as the endpoint, counts for the questions, too.
        before = config_of("", file, os.environ)
        text = text_of(self._choices(before))
        config_of(text, file, os.environ)
        if self._ask is not None:
            for line in ("", *text.splitlines(), ""):
                print_note(line)
            if not agreed(self._ask, Text("Write this to {file}", file=file), default=True):
                return False
        write(file, text)
        return True

    def _choices(self, before: Config) -> Choices:
        options = self._options
        region = options.region or self._region(before.aliyun.region)
        instances: tuple[Picked, ...] = tuple(options.instances)
        discover = options.discover
        if instances:
            instances = self._named(before, region, instances)
        elif not discover:
            picked = self._picked(before, region)
            discover, instances = picked is None, picked or ()
        access = options.access or self._access()
        users = tuple(options.users)
        if access != "token" and not users:
            users = self._users(access)
        return Choices(region, instances, discover, access, options.address, users)

    def _answer(self, question: str, default: str = "") -> str:
        assert self._ask is not None, "`_usage_problem` found nothing missing"
        text = Text("{question}: ", question=question)
        if default:
            text = Text("{question} [{default}]: ", question=question, default=default)
        return self._ask(text).strip() or default

    def _region(self, default: str) -> str:
        from vncproxy.aliyun.regions import nearest_region

        doubted = None
        while True:
            answer = self._answer(Text("Region of the instances"), default)
            try:
                region = region_id(answer)
            except argparse.ArgumentTypeError as fault:
                print_note(str(fault))
                continue
            near = nearest_region(region)
            if near is None or region == doubted:
                return region
            print_note(
                Text("{region} isn't known here; type it again if it is right", region=region)
            )
            default, doubted = near, region

    def _listed(self, before: Config, region: str) -> list[EcsInstance] | None:
        """What the cloud shows there; None, and a note, where it doesn't."""
        try:
            return run_async(self._options, listed(before, region))
        except CloudError as error:
            print_note(
                Text(
                    "the cloud's list of instances can't be had: {problem}",
                    problem=error.final_text,
                )
            )
            return None

    def _named(self, before: Config, region: str, given: tuple[Picked, ...]) -> tuple[Picked, ...]:
        return named(given, _as_picked(self._listed(before, region) or ()))

    def _picked(self, before: Config, region: str) -> tuple[Picked, ...] | None:
        """Some instances; None: all."""
        found = self._listed(before, region)
        if not found:
            if found is not None:
                print_note(Text("the cloud shows no instance in {region}", region=region))
            return self._typed()
        for line in instance_table(found[:_SHOWN_MAX]):
            print_note(line)
        if len(found) > _SHOWN_MAX:
            print_note(Text("and {more} more; all takes them, too", more=len(found) - _SHOWN_MAX))
        while True:
            answer = self._answer(Text("Which of them? Numbers such as 1 3-5, or all"), "all")
            if answer.lower() == "all":
                return None
            try:
                places = numbers(answer, min(len(found), _SHOWN_MAX))
            except ValueError as fault:
                print_note(str(fault))
                continue
            return tuple(_as_picked(found[place] for place in places))

    def _typed(self) -> tuple[Picked, ...]:
        """Ids that somebody knows; at least one."""
        typed: list[Picked] = []
        while True:
            question = (
                Text("Another one; Enter: no more")
                if typed
                else Text("An instance's id, or ALIAS=ID")
            )
            answer = self._answer(question)
            if not answer and typed:
                return tuple(typed)
            try:
                typed.append(instance_given(answer))
            except argparse.ArgumentTypeError as fault:
                print_note(str(fault))

    def _access(self) -> str:
        if self._ask is None:
            return "token"
        for number, (access, whom) in enumerate(DOORS.items(), 1):
            print_note(
                Text("  {number}  {access}: {whom}", number=number, access=access, whom=whom)
            )
        kinds = dict(zip("123", DOORS, strict=True))
        while True:
            answer = self._answer(Text("Who may open consoles"), "1")
            access = kinds.get(answer, answer)
            if access in DOORS:
                return access
            print_note(Text("type 1, 2 or 3"))

    def _users(self, access: str) -> tuple[str, ...]:
        # Root is nobody in particular at a peer door.
        own = getpass.getuser() if access == "peer" and os.getuid() != 0 else ""
        while True:
            answer = self._answer(Text("Their names, and groups as @GROUP"), own)
            try:
                users = tuple(user_given(word) for word in answer.replace(",", " ").split())
            except argparse.ArgumentTypeError as fault:
                print_note(str(fault))
                continue
            if users:
                return users


def _as_picked(instances: Iterable[EcsInstance]) -> list[Picked]:
    return [Picked(one.id, one.name, one.windows) for one in instances]


async def listed(config: Config, region: str) -> list[EcsInstance]:
    """The instances of a region, by name.

    Raises:
        CloudError: The cloud refused, or there are no credentials.
        ConfigError: A setting of the environment can't be used.
    """
    from vncproxy.service.cloud_client import cloud_of

    async with cloud_of(config, os.environ) as cloud:
        found = await cloud.client.instances(region)
    return sorted(found, key=lambda one: (one.name, one.id))


def instance_table(instances: Iterable[EcsInstance]) -> list[str]:
    """Lines with a number for each."""
    rows = [
        (
            str(number),
            one.name or "-",
            one.id,
            Text(one.status) if one.status else "-",
            one.os_name or "-",
        )
        for number, one in enumerate(instances, 1)
    ]
    return aligned([_HEADINGS, *rows])


def write(file: Path, text: str) -> None:
    """Put it there, with the mode and the owner of the file that it replaces.

    Raises:
        LocalError: It can't be written; what was there is still there.
    """
    from vncproxy.durable_files import replace_file

    file = file.resolve()
    made: list[Path] = []
    try:
        for folder in reversed([one for one in file.parents if not one.exists()]):
            folder.mkdir(mode=0o755)
            made.append(folder)
        mode, owner = _MODE, None
        if file.exists():
            old = file.stat()
            mode, owner = stat.S_IMODE(old.st_mode), (old.st_uid, old.st_gid)
        replace_file(file, text.encode(), mode=mode, owner=owner)
    except BaseException as fault:
        for folder in reversed(made):
            with suppress(OSError):
                folder.rmdir()
        if isinstance(fault, OSError):
            raise LocalError(
                Text("{file} can't be written: {reason}", file=file, reason=fault.strerror)
            ) from fault
        raise


def _finish(options: argparse.Namespace, file: Path) -> int:
    """Check it, and say what to do next; gives DONE if nothing is in the way."""
    from vncproxy.commands.first_steps import command_line, is_found_by_itself, opening
    from vncproxy.config.load import load

    print_line(Text("Written: {file}", file=file))
    loaded = load(file, os.environ)
    config = loaded.config
    status = run_async(options, print_findings(loaded))
    named = None if is_found_by_itself(file) else file
    steps: list[str] = ["", Text("Next:")]
    if config.access.users_file is not None:
        names = [user for rule in config.rule for user in rule.users if not user.startswith("@")]
        add = command_line("user", "add", names[0] if names else "NAME", config=named)
        steps.append(Text("Give each user a token: {add}", add=add))
    if status != DONE:
        steps.append(
            Text(
                "Mend what is marked FAIL, and look again: {command}",
                command=command_line("check", config=named),
            )
        )
    steps += [
        Text("Start it: {command}", command=command_line("serve", config=named)),
        *opening(config, os.environ, named),
    ]
    print_lines(steps)
    return status


COMMAND = Command(
    "init",
    "write a first configuration by asking",
    (
        "vncproxy init",
        "vncproxy init --region cn-hangzhou --instance web-1=i-bp1xxxxxxxxxxxxxxxxx",
        "vncproxy init --config /etc/vncproxy/vncproxy.toml --region cn-hangzhou --discover "
        "--access peer --user @ops",
    ),
    _add_arguments,
    _run,
)
