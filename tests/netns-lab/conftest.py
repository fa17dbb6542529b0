"""Makes the modules of netns-lab/mesos importable, which run as scripts beside each other."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "netns-lab" / "mesos"))
