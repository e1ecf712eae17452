"""What `vncproxy consoles` prints: a line for each console, and below it one for each viewer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from vncproxy.commands.formatting import aligned, amount, duration
from vncproxy.observe.escaping import escaped

Row = dict[str, Any]

NOTHING = "No console is open."
_UNKNOWN = "-"
_CONSOLE = (
    *("CONSOLE", "STATE", "OPEN", "LINK", "KEEPALIVE"),
    *("FROM CLOUD", "TO CLOUD", "BUDGET LEFT", ""),
)
_VIEWER = (*("  VIEWER", "USER", "FROM", "ROLE", "ON", "INPUT", "RECEIVES", "SENDS", "LET IN BY"),)


def table(rows: Sequence[Row], now: float) -> list[str]:
    """The rows of `GET /api/v1/consoles` for people.

    What only administrators see is there if the rows have it.

    Args:
        rows: One for each console, with its viewers.
        now: Seconds since 1970.
    """
    if not rows:
        return [NOTHING]
    consoles = [_CONSOLE, *(_console(row, now) for row in rows)]
    viewers = [_VIEWER, *(_viewer(one, now) for row in rows for one in row["viewers"])]
    console_lines, viewer_lines = iter(aligned(consoles)), iter(aligned(viewers))
    headings = [next(console_lines), next(viewer_lines)]
    lines = headings if len(viewers) > 1 else headings[:1]
    for row in rows:
        lines.append(next(console_lines))
        lines += (f"  {sentence}" for sentence in _troubles(row))
        lines += (next(viewer_lines) for _ in row["viewers"])
    return lines


def frame(lines: Sequence[str], columns: int, height: int) -> str:
    """The lines drawn over the ones before, as a terminal of this size can hold them.

    Nothing is cleared before it is drawn again, so nothing flickers.
    """
    shown = list(lines)
    if len(shown) > height - 1:
        shown = shown[: height - 2]
        shown.append(f"… and {len(lines) - len(shown)} more lines")
    # Not the last column: where it is filled, some terminals take what comes next for the line's.
    ends = "\x1b[K\n"
    return "\x1b[H" + "".join(escaped(line)[: columns - 1] + ends for line in shown) + "\x1b[J"


def _console(row: Row, now: float) -> tuple[str, ...]:
    return (
        row["alias"],
        row["state"],
        duration(now - row["since"]),
        _optional(row["link_age_s"]),
        "none" if row["state"] == "opaque" else row["keepalive"],
        _rate(row, "from_cloud"),
        _rate(row, "to_cloud"),
        _budget(row),
        "recorded" if row.get("recorded") else "",
    )


def _viewer(one: Row, now: float) -> tuple[str, ...]:
    return (
        f"  {one['id']}",
        one["user"],
        one["from"],
        one["role"] + (", asks" if one["asks"] else ""),
        duration(now - one["since"]),
        _optional(one.get("input_age_s"), " ago"),
        _rate(one, "to_viewer"),
        _rate(one, "from_viewer"),
        ", ".join(filter(None, (one.get("identity"), one.get("rule")))) or _UNKNOWN,
    )


def _troubles(row: Row) -> Iterator[str]:
    """What an administrator should know besides, in sentences."""
    if (wait_s := row.get("wait_s")) is not None:
        yield f"{row['text']} In {duration(wait_s)}."
    if (error := row.get("error")) is not None:
        code = f" ({error['code']})" if error["code"] else ""
        yield f"The last try failed: {error['text']}{code}"
    if (problem := row.get("budget_problem")) is not None:
        yield f"The budget isn't known: {problem}"
    for one in row["viewers"]:
        if one.get("record") and not one["recorded"]:
            yield f"{one['id']} should be recorded and isn't at the moment."


def _rate(row: Row, which: str) -> str:
    return f"{amount(row[which]['bytes_per_s'])}/s" if which in row else _UNKNOWN


def _budget(row: Row) -> str:
    budget = row.get("budget")
    if budget is None:
        return _UNKNOWN
    later = f", next in {duration(budget['next_free_s'])}" if budget["next_free_s"] else ""
    return f"{budget['left']} of {budget['limit']}{later}"


def _optional(seconds: float | None, after: str = "") -> str:
    return _UNKNOWN if seconds is None else duration(seconds) + after
