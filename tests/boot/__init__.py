"""The service under a real systemd: what runs inside the machine that `tests/boot/run` boots."""
