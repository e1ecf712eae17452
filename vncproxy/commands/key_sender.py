"""Sends strokes to an instance at a bounded pace, and knows how many have arrived for certain."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from vncproxy.commands.console_client import (
    ConsoleClient,
    ControlLostError,
    InputCount,
    LinkLostError,
    admission_to,
    console_client,
)
from vncproxy.commands.console_screen import ConsoleScreen
from vncproxy.commands.daemon_client import daemon_client
from vncproxy.commands.keystrokes import Stroke
from vncproxy.commands.output import print_json_outcome, print_outcome
from vncproxy.errors import LocalError, VncproxyError
from vncproxy.languages.text import Text

if TYPE_CHECKING:
    from vncproxy.config.model import Config

CHUNK_STROKES = 32
"""So many may be uncertain if the link is lost."""
PACES = {"careful": 12, "normal": 40, "fast": 50}
"""Strokes a second, as on the page."""
KEY_CHANGE_S = 0.01
"""QEMU takes so long for each key that goes down or up; some 340 may wait, others are lost.
Source: QEMU, -vnc, key-delay-ms; ui/input.c, queue_limit."""
READY_MARGIN_S = 30.0
"""Beyond limits.max_wait, in which the daemon itself gives up."""
CONTROL_MARGIN_S = 10.0
"""Beyond limits.control_request_timeout, after which a request that wasn't answered is granted."""
_LOOK = Text("look at the screen for what else has arrived before you go on")

Note = Callable[[str], None]
Pause = Callable[[float], Awaitable[None]]


class SendingStoppedError(LocalError):
    """Not everything was sent: the words say why, and how much has arrived for certain.

    Args:
        sent: Of which only `arrived` counts.
    """

    def __init__(self, text: str, sent: Sent) -> None:
        super().__init__(text)
        self.sent = sent


@dataclass(frozen=True, slots=True)
class Sent:
    """What was sent to an instance.

    Args:
        instance: Its id.
        alias: Its alias.
        total: Strokes that there are.
        arrived: So many of them have for certain.
    """

    instance: str
    alias: str
    total: int
    arrived: int


def sent_as_json(sent: Sent, problem: str | None = None) -> dict[str, Any]:
    """For programs.

    Args:
        sent: What was.
        problem: Why not everything has arrived.
    """
    return {**asdict(sent), "problem": problem}


def _nothing_sent_as_json(problem: str) -> dict[str, Any]:
    """For programs: as `sent_as_json` gives it, but nothing is known of the instance."""
    return {"instance": None, "alias": None, "total": None, "arrived": 0, "problem": problem}


async def send_keys(
    config: Config,
    environ: Mapping[str, str],
    instance: str,
    strokes_of: Callable[[ConsoleClient], Sequence[Stroke]],
    *,
    how_many: Callable[[int], Text],
    per_second: float,
    note: Note,
    pause: Pause = asyncio.sleep,
) -> Sent:
    """Open the console as a page does, or join it, have control, and send everything.

    Args:
        config: The settings.
        environ: The environment's variables.
        instance: Alias, id or the cloud's name.
        strokes_of: Called once the console is there: gives what to send.
        how_many: A number of strokes in words.
        per_second: Strokes in a second, at most.
        note: Called with what is worth saying meanwhile.
        pause: Lets so many seconds pass.

    Raises:
        SendingStoppedError: A part may have arrived.
        LocalError: Nothing was sent: the console can't be had, or control of it.
        NoDaemonError: As of `daemon_client`.
        AccessError: The daemon refused.
        ConfigError: As of `daemon_client`.
    """
    limits = config.limits
    async with daemon_client(config, environ) as daemon:
        admission = await admission_to(daemon, instance, view=False)
        async with console_client(daemon, admission, ConsoleScreen()) as client:
            await client.get_ready(note, limits.max_wait + READY_MARGIN_S)
            await client.get_control(note, limits.control_request_timeout + CONTROL_MARGIN_S)
            try:
                # What the server says of keys and of Caps Lock has come by then, too.
                begun = await client.confirm()
                strokes = strokes_of(client)
                sender = KeySender(client, begun, per_second=per_second, pause=pause)
                sent = Sent(
                    str(admission["instance"]["id"]), client.alias, len(strokes), len(strokes)
                )
                await _send(sender, strokes, sent, how_many)
            finally:
                await client.hand_back()
            return sent


async def print_what_is_sent(
    sending: Coroutine[Any, Any, Sent], done: Callable[[int, str], Text], *, as_json: bool
) -> None:
    """Print what was sent, also how far it came if it was stopped, or why nothing was sent.

    Args:
        sending: As of `send_keys`.
        done: Gives the words for so many strokes, and the instance's alias.
        as_json: Print it for programs.

    Raises:
        OutputError, BrokenPipeError: It can't be printed; standard error has it.
        LocalError, NoDaemonError, AccessError, ConfigError: As of `send_keys`.
    """
    try:
        sent = await sending
    except SendingStoppedError as stopped:
        if as_json:
            print_json_outcome(sent_as_json(stopped.sent, stopped.public_text), stopped.text)
        raise
    except VncproxyError as refusal:
        if as_json:
            print_json_outcome(_nothing_sent_as_json(refusal.public_text), refusal.text)
        raise
    if as_json:
        print_json_outcome(sent_as_json(sent), done(sent.total, sent.alias))
    else:
        print_outcome(done(sent.total, sent.alias))


async def _send(
    sender: KeySender, strokes: Sequence[Stroke], sent: Sent, how_many: Callable[[int], Text]
) -> None:
    """Send them all. Raises: SendingStoppedError."""
    try:
        await sender.send(strokes)
    except (LinkLostError, ControlLostError, asyncio.CancelledError) as fault:
        why = fault.text if isinstance(fault, LocalError) else Text("stopped")
        text = _stopped(sent.alias, why, sender.certain, how_many(len(strokes)))
        raise SendingStoppedError(text, replace(sent, arrived=sender.certain)) from fault


def _stopped(alias: str, why: Text, certain: int, total: Text) -> Text:
    if not certain:
        far = Text("of {total} none has arrived for certain", total=total)
    else:
        far = Text(
            "of {total} the first {certain} arrived for certain", total=total, certain=certain
        )
    return Text("{alias}: {why}; {far}: {advice}", alias=alias, why=why, far=far, advice=_LOOK)


class KeySender:
    """Sends strokes in chunks; after each it is made certain that they arrived.

    Attributes:
        certain: So many strokes have arrived for certain.
    """

    def __init__(
        self, client: ConsoleClient, begun: InputCount, *, per_second: float, pause: Pause
    ) -> None:
        """Nothing is sent.

        Args:
            client: It has control.
            begun: What was counted before the first stroke.
            per_second: Strokes in a second, at most.
            pause: Lets so many seconds pass.
        """
        self.certain = 0
        self._client = client
        self._begun = begun
        self._pause_s = 1 / per_second
        self._pause = pause
        self._ends: list[int] = []
        """After each stroke that was sent: how many messages there are so far."""

    async def send(self, strokes: Sequence[Stroke]) -> None:
        """Send them all.

        Raises:
            LinkLostError: The link was interrupted, or ended.
            ControlLostError: Somebody else controls it.
        """
        for at in range(0, len(strokes), CHUNK_STROKES):
            try:
                for stroke in strokes[at : at + CHUNK_STROKES]:
                    await self._client.check()
                    before = self._ends[-1] if self._ends else 0
                    self._ends.append(before + await self._client.press(stroke))
                    await self._pause(max(self._pause_s, KEY_CHANGE_S * len(stroke)))
            except ControlLostError:
                # How much of it went there can still be found out.
                await self._count()
                raise
            await self._count()
            if self.certain < len(self._ends):
                raise ControlLostError(Text("somebody else took control"))

    async def _count(self) -> None:
        counted_now = await self._client.confirm()
        if counted_now.link != self._begun.link:
            raise LinkLostError(Text("the link was interrupted"))
        arrived = counted_now.messages - self._begun.messages
        self.certain = sum(end <= arrived for end in self._ends)
