"""Runs the lab's command line."""

import sys

from pointlab.cli import main

sys.exit(main())
