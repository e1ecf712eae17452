"""Who controls a console: at most one viewer's keyboard and pointer are passed on.

Laws:
1. Control moves only to a viewer that may have it.
2. A viewer that leaves gives it to the one that has asked for it longest; if nobody asked, it is
   free for the next that comes or asks. It isn't pushed onto a watcher: a page that reloads would
   lose it to one that never wanted it.
"""

from __future__ import annotations


class Control:
    """The controller of one console and those who asked to be it."""

    def __init__(self) -> None:
        """Nobody is here."""
        self._may: set[str] = set()
        self._asking: list[str] = []
        self.controller: str | None = None

    @property
    def asking(self) -> tuple[str, ...]:
        """Who asked for control, the longest waiting first."""
        return tuple(self._asking)

    def may(self, viewer_id: str) -> bool:
        """Whether this viewer is here and may have control."""
        return viewer_id in self._may

    def join(self, viewer_id: str, *, may_control: bool, take: bool) -> None:
        """A viewer came; it gets control if that is free, or if it takes it."""
        if may_control:
            self._may.add(viewer_id)
            if take or self.controller is None:
                self.controller = viewer_id

    def leave(self, viewer_id: str) -> None:
        """A viewer is gone."""
        self._may.discard(viewer_id)
        self._forget(viewer_id)
        if self.controller == viewer_id:
            self._pass_on()

    def take(self, viewer_id: str) -> bool:
        """Whether the viewer got control, over whoever had it."""
        if viewer_id not in self._may:
            return False
        self._forget(viewer_id)
        self.controller = viewer_id
        return True

    def ask(self, viewer_id: str) -> bool:
        """Whether the controller must be asked; if control is free the viewer gets it at once."""
        if viewer_id not in self._may or viewer_id == self.controller:
            return False
        if self.controller is None:
            self.take(viewer_id)
            return False
        if viewer_id not in self._asking:
            self._asking.append(viewer_id)
        return True

    def refuse(self, viewer_id: str) -> None:
        """The controller said no."""
        self._forget(viewer_id)

    def release(self, viewer_id: str) -> None:
        """The controller gives it back."""
        if self.controller == viewer_id:
            self._pass_on()

    def _pass_on(self) -> None:
        self.controller = self._asking.pop(0) if self._asking else None

    def _forget(self, viewer_id: str) -> None:
        if viewer_id in self._asking:
            self._asking.remove(viewer_id)
