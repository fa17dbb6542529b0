import logging
import subprocess
import sys

from pointsman import log


def test_lines_go_to_standard_error_from_their_level_on() -> None:
    code = (
        "import logging; from pointsman import log; log.set_up('warning'); log.set_up('info');"
        "logging.getLogger('pointsman').info('said'); logging.getLogger('pointsman').debug('not')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    (line,) = done.stderr.splitlines()
    assert line.endswith("INFO    pointsman: said")
    assert done.stdout == ""


def test_the_chatter_of_libraries_is_left_out() -> None:
    root = logging.getLogger()
    before = root.level
    try:
        log.set_up("debug")
        assert not logging.getLogger("pyroute2").isEnabledFor(logging.INFO)
    finally:
        root.setLevel(before)
