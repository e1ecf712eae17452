"""`vncproxy serve`: the daemon."""

from __future__ import annotations

import argparse
import gc
import os
import sys

from vncproxy.commands.command import DONE, Command, add_config
from vncproxy.commands.running import load_config, run_async
from vncproxy.languages.text import Text

_COLLECTOR_THRESHOLDS = (5_000, 4, 100)
"""An opened console stays for long, so young objects are looked through more rarely than usual
(700), since most of what is there then stays. The event loop stands still meanwhile: four rounds
of them at once take a sixth of what twenty took, which was 50 ms. All objects are looked through,
which takes 150 ms with a thousand consoles, about once in ten thousand openings."""


def _run(options: argparse.Namespace) -> int:
    # What is imported stays, so looking through it again and again is no use: it takes an eighth
    # of the start.
    gc.disable()
    options.resources.callback(gc.enable)
    _import_aiohttp()
    loaded = load_config(options)

    async def work() -> int:
        from vncproxy.app import serve
        from vncproxy.commands.first_steps import is_at_terminal, opening
        from vncproxy.commands.terminal_language import shown
        from vncproxy.observe.escaping import escaped
        from vncproxy.observe.line_writer import LineWriter

        # What was imported stays. A full collection stops the event loop: it needn't go there.
        gc.freeze()
        gc.set_threshold(*_COLLECTOR_THRESHOLDS)
        gc.enable()
        # A terminal that is stopped, by Ctrl+S for instance, mustn't stop the daemon.
        with LineWriter(sys.stdout) as terminal:

            def started() -> None:
                if is_at_terminal(os.environ):
                    for line in opening(loaded.config, os.environ, options.config):
                        terminal.write(f"{escaped(shown(line))}\n")
                    terminal.write(f"{shown(Text('Ctrl+C ends it.'))}\n")

            await serve(loaded.config, os.environ, lambda: load_config(options).config, started)
        return DONE

    return run_async(options, work())


def _import_aiohttp() -> None:
    """Import it without the system's certificates, which it reads twice: 0.07 s and 2 MiB.

    It has them for sessions without a TLS context of their own, which the daemon has none of; such
    a session would trust nobody.
    """
    import ssl

    paths = ssl.get_default_verify_paths()
    variables = (paths.openssl_cafile_env, paths.openssl_capath_env)
    before = {name: os.environ.get(name) for name in variables}
    os.environ |= dict.fromkeys(variables, os.devnull)
    try:
        import aiohttp  # noqa: F401
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


COMMAND = Command(
    "serve",
    "run the daemon",
    ("vncproxy serve --config /etc/vncproxy/vncproxy.toml",),
    add_config,
    _run,
)
