"""Which viewer's own settings end the links: its SetPixelFormat or SetEncodings.

Some servers hang up on a pixel format or a list of encodings that they don't like. The daemon tells
each new link what the viewers chose, so such a link would be lost and replaced for ever. A link
speaks against the viewer whose choice was told last if it ends soon after that, and if nothing came
in between: a server that still answers has taken the choice. Pure; `now` is monotonic seconds.
Source: design.md, rule 12.
"""

from __future__ import annotations

SOON_S = 3.0
"""Between the settings and the link's end."""
LINKS_IN_A_ROW = 3


class OffenderWatch:
    """One console's, over all its links."""

    def __init__(self) -> None:
        """Nobody has chosen anything."""
        self.chosen_by: str | None = None
        """The viewer whose choice the upstream is told."""
        self._told_at: float | None = None
        self._suspect: str | None = None
        self._links = 0

    def link_started(self) -> None:
        """A link that was told nothing yet."""
        self._told_at = None

    def told(self, now: float) -> None:
        """SetPixelFormat or SetEncodings went upstream."""
        self._told_at = now

    def link_lost(self, now: float, heard_at: float) -> str | None:
        """The upstream ended the link; the viewer that has ended enough of them in a row, if any.

        Args: heard_at - when the last byte came.
        """
        told_at, self._told_at = self._told_at, None
        if told_at is None or now - told_at > SOON_S or heard_at > told_at:
            self._links = 0
            return None
        self._links = self._links + 1 if self._suspect == self.chosen_by else 1
        self._suspect = self.chosen_by
        if self._links < LINKS_IN_A_ROW:
            return None
        self._links = 0
        return self._suspect
