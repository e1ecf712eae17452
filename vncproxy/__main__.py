"""`python -m vncproxy`."""

from vncproxy.cli import program

program()
