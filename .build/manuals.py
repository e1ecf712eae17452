"""Writes the man pages and the completion of shells, from --help and the example configuration.

python .build/manuals.py FOLDER    with shtab; writes what goes to share/ of an installation
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import shtab

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "config" / "vncproxy.example.toml"
SHELLS = {
    "bash": "bash-completion/completions/vncproxy",
    "zsh": "zsh/site-functions/_vncproxy",
    "fish": "fish/vendor_completions.d/vncproxy.fish",
}
"""Where each shell looks below share/."""

_SECTION = re.compile(r"(#?)(\[{1,2}[a-z]+\]{1,2})")
_KEY = re.compile(r"#?[a-z_]+ = .+")

_ENDS = """\
.SH EXIT STATUS
.TP
0
Done.
.TP
1
It failed; standard error says why.
.TP
2
Wrong usage.
.TP
78
The configuration is wrong.
.SH ENVIRONMENT
.TP
ALIBABA_CLOUD_ACCESS_KEY_ID, ALIBABA_CLOUD_ACCESS_KEY_SECRET, ALIBABA_CLOUD_SECURITY_TOKEN
The credentials. Without them: a CLI profile, an ECS RAM role and so on, in the order of the
official credentials chain.
.TP
VNCPROXY_CONFIG
The configuration.
.TP
VNCPROXY_SECTION__KEY
One setting, such as VNCPROXY_LIMITS__IDLE_TIMEOUT=300.
.TP
HTTPS_PROXY, NO_PROXY
The proxy on the way to the cloud, and what is reached without it.
.TP
LC_ALL, LC_MESSAGES, LANG
The language of \\-\\-help: English or Chinese.
.SH FILES
.TP
~/.config/vncproxy/vncproxy.toml, /etc/vncproxy/vncproxy.toml
The configuration: the first that there is.
.TP
~/.local/state/vncproxy
The ledger, the token, the audit and recordings, unless
.B directory
in [state] or STATE_DIRECTORY names another folder.
.SH SEE ALSO
.BR vncproxy.toml (5)
"""


def escaped(text: str) -> str:
    """A text as roff takes it, whatever it begins with."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("…", "...")
    text = text.replace("“", '"').replace("”", '"').replace("’", "'")
    return f"\\&{text}" if text.startswith((".", "'")) else text


def quoted(text: str) -> str:
    """One argument of a macro."""
    return '"' + escaped(text).replace('"', "\\(dq") + '"'


def head(name: str, section: int, version: str) -> str:
    """The first line of a page: no date, so that a build can be repeated."""
    return f'.TH {name} {section} "" {quoted(f"vncproxy {version}")} "vncproxy"'


def sentence(text: str) -> str:
    """A text of the help as a sentence."""
    return f"{text[0].upper()}{text[1:]}" + ("" if text.endswith(".") else ".")


def commands_of(
    parser: argparse.ArgumentParser,
) -> Iterator[tuple[argparse.ArgumentParser, bool]]:
    """The parsers of all commands in the help's order, acts after theirs; whether one has acts."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                acts = list(commands_of(inner))
                yield inner, bool(acts)
                yield from acts


def command_page(parser: argparse.ArgumentParser, version: str) -> str:
    """vncproxy(1)."""
    lines = [head("VNCPROXY", 1, version)]
    about = (parser.description or "").rstrip(".")
    lines += [".SH NAME", f"vncproxy \\- {escaped(about[0].lower() + about[1:])}"]
    lines += [".SH SYNOPSIS", ".B vncproxy", ".I COMMAND", "[...]"]
    lines += [".SH DESCRIPTION", escaped(parser.description or "")]
    lines += ["An INSTANCE is an alias, an id, or the cloud's name where only one instance has it."]
    lines += [
        "To begin, see",
        '.BR "vncproxy demo" ,',
        "which needs no account, and",
        '.BR "vncproxy init" .',
    ]
    lines += [".SH COMMANDS"]
    for command, has_acts in commands_of(parser):
        lines += [f".SS {quoted(command.prog)}", escaped(sentence(command.description or ""))]
        if has_acts:
            continue
        usage = " ".join(command.format_usage().split()).partition(": ")[2]
        lines += [".PP", escaped(usage)]
        for action in command._actions:
            if isinstance(action, argparse._HelpAction):
                continue
            lines += [".TP", *terms(action)]
            lines += [escaped(sentence(help_of(command, action)))]
        examples = (command.epilog or "").splitlines()[1:]
        lines += [".PP", "For example:", ".PP", ".EX", *map(escaped, examples), ".EE"]
    return "\n".join(lines) + "\n" + _ENDS


def terms(action: argparse.Action) -> Iterator[str]:
    """The line with an argument's names."""
    metavar = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    if action.choices is not None and action.metavar is None:
        metavar = "|".join(map(str, action.choices))
    if not action.option_strings:
        yield f".I {quoted(metavar)}"
        return
    names = ", ".join(action.option_strings)
    if action.nargs == 0:
        yield f".B {quoted(names)}"
    else:
        yield f".BI {quoted(names + ' ')} {quoted(metavar)}"


def help_of(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    """What the help says of an argument; one without a text is as its name says."""
    if action.help is None:
        return f"the {action.dest}"
    return parser._get_formatter()._expand_help(action)


def configuration_page(text: str, version: str) -> str:
    """vncproxy.toml(5).

    Args:
        text: The example configuration.
        version: Of vncproxy.
    """
    lines = [
        head("VNCPROXY.TOML", 5, version),
        ".SH NAME",
        "vncproxy.toml \\- configuration of vncproxy",
        ".SH DESCRIPTION",
        *_entries(text),
        ".SH SEE ALSO",
        ".BR vncproxy (1)",
    ]
    return "\n".join(lines) + "\n"


def _entries(text: str) -> Iterator[str]:
    known: set[str] = set()
    # The first comment is about the whole file, and ends with an empty line.
    about, _, rest = text.partition("\n\n")
    yield from _prose([line.removeprefix("#") for line in about.splitlines()])
    yield ".SH SECTIONS"
    comment: list[str] = []
    example = False
    keys = False
    for line in rest.splitlines():
        if found := _SECTION.fullmatch(line):
            if example:
                yield ".EE"
            example = bool(found[1]) and found[2] in known
            if example:
                yield ".PP"
                yield from _prose(comment)
                yield from (".PP", ".EX", found[2])
            else:
                yield f".SS {quoted(found[2])}"
                yield from _prose(comment)
            known.add(found[2])
            comment, keys = [], False
        elif example:
            if line:
                # What is only said stays a comment.
                yield escaped(line if line.startswith("# ") else line.removeprefix("#"))
            else:
                yield ".EE"
                example = False
        elif key := _KEY.fullmatch(line):
            # Keys side by side are explained together.
            if comment or not keys:
                yield ".TP"
                yield f".B {quoted(key[0])}"
                pending, comment = comment, []
                keys = True
                yield from _prose(pending)
            else:
                yield ".TP"
                yield f".B {quoted(key[0])}"
                yield "As above."
        elif line.startswith("#"):
            comment.append(line.removeprefix("#"))
        else:
            keys = False
    if example:
        yield ".EE"


def _prose(comment: list[str]) -> Iterator[str]:
    """The text of a comment; what is indented in it stays as it is."""
    inside = False
    for line in comment:
        plain = line.startswith("   ")
        if plain != inside:
            yield ".EX" if plain else ".EE"
            inside = plain
        if line.strip():
            yield escaped(line if plain else line.strip())
        elif not inside:
            yield ".PP"
    if inside:
        yield ".EE"


def with_files(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The parser, whose arguments that are files say so to shtab."""
    for command, _ in commands_of(parser):
        for action in command._actions:
            if action.metavar in ("FILE", "DIR"):
                action.complete = shtab.FILE if action.metavar == "FILE" else shtab.DIRECTORY  # type: ignore[attr-defined]
    return parser


def write(folder: Path) -> None:
    """Write all, in the folders that they have below share/."""
    sys.path.insert(0, str(ROOT))
    from vncproxy import __version__
    from vncproxy.cli import parser

    made = {
        "man/man1/vncproxy.1": command_page(parser(), __version__),
        "man/man5/vncproxy.toml.5": configuration_page(EXAMPLE.read_text("utf-8"), __version__),
    }
    for shell, name in SHELLS.items():
        made[name] = shtab.complete(with_files(parser()), shell)
    for name, text in made.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    # In English, whoever builds it.
    os.environ["LC_ALL"] = "C.UTF-8"
    write(Path(sys.argv[1]))
