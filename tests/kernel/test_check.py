"""`pointsman check` on a kernel that has ip_vs, before a start and beside a Pointsman that runs."""

import json
import subprocess
import sys
from pathlib import Path

from pointlab.servers.daemon import Daemon, ipvsadm, state, task
from pointsman.doubles import MasterDouble


def found(daemon: Daemon) -> dict[str, str]:
    """Return the level of each finding by what it says."""
    command = [sys.executable, "-m", "pointsman", "check", "--offline", "--json"]
    done = subprocess.run(
        [*command, "--config", str(daemon.config)], capture_output=True, check=False
    )
    assert done.returncode == 0, done
    return {one["what"]: one["level"] for one in json.loads(done.stdout)["findings"]}


def test_nothing_is_wrong_and_nothing_is_changed(tmp_path: Path) -> None:
    forwarding = Path("/proc/sys/net/ipv4/ip_forward")
    forwarding.write_text("0")
    with MasterDouble(state(task("web.1", "127.0.0.11", 31000))) as master:
        daemon = Daemon(tmp_path, master.address)
        before = found(daemon)
        assert forwarding.read_text() == "0\n"
        assert not (tmp_path / "state").exists()
        assert ipvsadm() == []
        daemon.start()
        try:
            beside = found(daemon)
        finally:
            daemon.kill()
    assert before["ip_vs is loaded, and answers"] == "ok"
    assert before["UDP 127.0.0.1:53 is free"] == "ok"
    assert before["net.ipv4.ip_forward is 0; the start sets it to 1"] == "ok"
    assert beside["net.ipv4.ip_forward is 1"] == "ok"
    held = [what for what in beside if " is held by " in what]
    assert [what.partition(" is")[0] for what in held] == [
        "UDP 127.0.0.1:53",
        "TCP 127.0.0.1:53",
        "TCP 127.0.0.1:8123",
    ]
    assert {beside[what] for what in held} == {"ok"}
