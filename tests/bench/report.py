"""The table of a run for people, and the same for programs."""

from __future__ import annotations

import datetime
import os
import platform
from statistics import median
from typing import Any

from tests.bench.figures import FIGURES, Figure
from tests.bench.measuring import Measuring
from tests.bench.relays import ALL, DIRECT, HAPROXY, VNCPROXY

_COLUMNS = (*ALL, DIRECT)
_BUSY = 0.95
"""Of its processor: a load that takes more may be what is measured."""


def table(run: Measuring) -> str:
    """Markdown: a row for each figure that was measured."""
    columns = [name for name in _COLUMNS if any(name in row for row in run.found.values.values())]
    heads = ["figure", "unit", "aim", *columns, f"× {HAPROXY}", "reached"]
    rows = [heads, ["---"] * len(heads)]
    rows += [
        _row(run, figure, columns) for figure in FIGURES.values() if figure.key in run.found.values
    ]
    widths = [max(len(row[at]) for row in rows) for at in range(len(heads))]
    lines = []
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _row(run: Measuring, figure: Figure, columns: list[str]) -> list[str]:
    medians = run.found.medians(figure.key)
    ratio = ""
    if VNCPROXY in medians and medians.get(HAPROXY):
        ratio = f"{medians[VNCPROXY] / medians[HAPROXY]:.2f}"
    return [
        figure.says,
        figure.unit,
        figure.aim,
        *(_number(medians[name]) if name in medians else "" for name in columns),
        ratio,
        {True: "yes", False: "no", None: ""}[run.found.is_reached(figure)],
    ]


def _number(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def remarks(run: Measuring) -> list[str]:
    """How far the load was from being what is measured, and what else is to be said."""
    said = list(run.found.notes)
    for kind, by_relay in run.load_shares.items():
        shares = {relay: median(found) for relay, found in by_relay.items()}
        each = ", ".join(f"{relay} {share:.0%}" for relay, share in shares.items())
        verdict = ""
        if max(shares.values()) > _BUSY:
            verdict = "; where it took nearly all, a faster load might have been relayed for less"
        said.append(f"what the load of {kind} took of its processor: {each}{verdict}")
    return said


def data(run: Measuring) -> dict[str, Any]:
    """For JSON."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "quick": run.is_quick,
        "rounds": run.rounds,
        "machine": {
            "processors": os.cpu_count(),
            "load": os.getloadavg()[0],
            "kernel": platform.release(),
            "python": platform.python_version(),
        },
        "figures": [
            {
                "key": figure.key,
                "says": figure.says,
                "unit": figure.unit,
                "aim": figure.aim,
                "reached": run.found.is_reached(figure),
                "medians": run.found.medians(figure.key),
                "values": run.found.values[figure.key],
            }
            for figure in FIGURES.values()
            if figure.key in run.found.values
        ],
        "load_shares": run.load_shares,
        "remarks": remarks(run),
    }
