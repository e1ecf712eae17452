"""`vncproxy serve`: the daemon."""

from __future__ import annotations

import argparse
import gc
import os
import sys

from vncproxy.commands.command import DONE, Command, add_config
from vncproxy.commands.running import load_config, run_async
from vncproxy.languages.text import Text


def _run(options: argparse.Namespace) -> int:
    # What is imported stays, so looking through it again and again is no use: it takes an eighth
    # of the start.
    gc.disable()
    options.resources.callback(gc.enable)
    options.resources.callback(gc.set_threshold, *gc.get_threshold())
    _import_aiohttp()
    loaded = load_config(options)

    async def work() -> int:
        from vncproxy.app import serve
        from vncproxy.commands.first_steps import is_at_terminal, opening
        from vncproxy.commands.terminal_language import shown
        from vncproxy.observe.escaping import escaped
        from vncproxy.observe.line_writer import LineWriter
        from vncproxy.service import garbage_collection
        from vncproxy.tasks import Tasks

        garbage_collection.begin()
        tasks = Tasks()
        tasks.start(garbage_collection.collect_garbage(), "garbage")
        # A terminal that is stopped, by Ctrl+S for instance, mustn't stop the daemon.
        with LineWriter(sys.stdout) as terminal:

            def started() -> None:
                if is_at_terminal(os.environ):
                    for line in opening(loaded.config, os.environ, options.config):
                        terminal.write(f"{escaped(shown(line))}\n")
                    terminal.write(f"{shown(Text('Ctrl+C ends it.'))}\n")

            try:
                await serve(loaded.config, os.environ, lambda: load_config(options).config, started)
            finally:
                await tasks.close()
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
