import socket
import subprocess
import sys
from pathlib import Path


def test_a_port_that_is_taken_ends_the_run_with_advice(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
        path = tmp_path / "p.toml"
        path.write_text(f"""
            discovery = {{ masters = ["127.0.0.1:1"] }}
            dns = {{ listen = ["127.0.0.1:{port}"] }}
            vip = {{ enabled = false }}
            http = {{ listen = "" }}
        """)
        command = [sys.executable, "-m", "pointsman", "run", "--config", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert f"pointsman: dns.listen: UDP 127.0.0.1:{port} is taken: `ss -lnup" in done.stderr
    assert "Traceback" not in done.stderr
