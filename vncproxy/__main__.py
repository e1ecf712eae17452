"""`python -m vncproxy`."""

import sys

from vncproxy.cli import main

sys.exit(main())
