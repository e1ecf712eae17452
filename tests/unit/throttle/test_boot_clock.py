"""The clock of the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from vncproxy.errors import LedgerError
from vncproxy.throttle import boot_clock
from vncproxy.throttle.boot_clock import this_boot


def test_the_clock_runs_and_its_epoch_stays() -> None:
    """Within a boot, two clocks share their epoch and never run backwards."""
    first, second = this_boot(), this_boot()
    assert first.epoch == second.epoch
    assert 0 < first.now() <= second.now()


def test_the_epoch_names_the_boot() -> None:
    """The kernel's boot id is part of the epoch."""
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    assert this_boot().epoch.startswith(boot_id)


def test_without_a_boot_id_the_reason_is_plain(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where the system hides its boot id, the error says what to do."""
    monkeypatch.setattr(boot_clock, "_BOOT_ID", tmp_path / "missing")
    with pytest.raises(LedgerError, match='store = "memory"'):
        this_boot()


def test_an_old_kernel_without_time_namespaces_will_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without time namespaces the boot id alone names the epoch."""
    monkeypatch.setattr(boot_clock, "_TIME_NAMESPACE", tmp_path / "missing")
    assert this_boot().epoch.endswith(" time:none")
