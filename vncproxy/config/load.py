"""The configuration from its file and the environment, with every mistake told at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vncproxy.config.build import Builder, Folders
from vncproxy.config.checks import check_relations
from vncproxy.config.document import Document, read_document
from vncproxy.config.environment import overrides
from vncproxy.config.files import check_files
from vncproxy.config.model import Config
from vncproxy.config.problems import Report
from vncproxy.config.search import find_file, home_folder
from vncproxy.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration and the file it came from; None means that there was no file."""

    config: Config
    path: Path | None


def load(path: Path | None, environ: Mapping[str, str]) -> Loaded:
    """The configuration that `--config` (or None), the search order and the environment give.

    Defaults, then the file, then `VNCPROXY_SECTION__KEY` variables. Paths in the file start from
    the file's own folder, those in the environment from the current one; `~/` is the user's home.
    Files that settings name are looked at, secret ones read; nothing is made or changed.

    Raises: ConfigError with all mistakes: the file's in the order of its lines, then the
    environment's. A text that isn't TOML is the only mistake told of its file.
    """
    file = find_file(path, environ)
    found, problems = overrides(environ)
    try:
        document = Document() if file is None else read_document(file)
    except ConfigError as error:
        raise ConfigError([*error.problems, *problems]) from error
    report = Report(file, document.lines)
    base = Path.cwd() if file is None else file.absolute().parent
    builder = Builder(report, Folders(base, home_folder(environ)))
    config = builder.build(document.tables, found)
    check_relations(config, report)
    check_files(config, report, environ, file)
    for problem in problems:
        report.append(problem)
    report.raise_if_any()
    return Loaded(config, file)
