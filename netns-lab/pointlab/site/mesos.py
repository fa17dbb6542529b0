"""The command lines of a real Mesos: masters, agents, ZooKeeper, and the framework."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parents[3]
BUILT = ROOT / ".lab/mesos"
SOURCES = ROOT / "netns-lab/mesos"
HOST = str(BUILT / "bin/mesos-host")
MASTER_PORT, AGENT_PORT, ZOOKEEPER_PORT, CONTROL_PORT = 5050, 5051, 2181, 5060


class Command(msgspec.Struct, frozen=True):
    """A command line with the environment that it adds."""

    argv: tuple[str, ...]
    env: dict[str, str] = {}


PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Of executors and tasks; in the caller's, python3 may be a slow script that looks for one."""


def python() -> str:
    """Return the interpreter for the executor and the framework, which need nothing installed."""
    return os.environ.get("LAB_PYTHON", sys.executable)


def master(
    address: str,
    work: Path,
    *,
    zookeeper: str = "",
    quorum: int = 1,
    credential: str = "",
    region: str = "",
    zone: str = "",
) -> Command:
    """Return the command of a master.

    ``zookeeper`` is ``zk://…``, "" for a master by itself; ``credential`` is
    ``principal:secret``, which it then demands of all who ask; region and zone are its fault
    domain.
    """
    work.mkdir(parents=True, exist_ok=True)
    argv = [
        HOST, "master", f"--ip={address}", f"--port={MASTER_PORT}", f"--hostname={address}",
        f"--work_dir={work}", "--allocation_interval=200ms", "--cluster=lab",
        # An agent that does not answer is unreachable after 2 s rather than 75.
        "--agent_ping_timeout=1secs", "--max_agent_ping_timeouts=2",
    ]  # fmt: skip
    if credential:
        principal, _, secret = credential.partition(":")
        file = work / "credentials.json"
        known = {"credentials": [{"principal": principal, "secret": secret}]}
        file.write_text(json.dumps(known))
        argv += [
            "--authenticate_http_readonly", "--authenticate_http_readwrite",
            f"--credentials={file}",
        ]  # fmt: skip
    argv += _domain(region, zone)
    if zookeeper:
        argv += [f"--zk={zookeeper}", f"--quorum={quorum}", "--zk_session_timeout=3secs"]
    return Command(tuple(argv))


def agent(
    address: str,
    work: Path,
    health: Path,
    masters: str,
    *,
    region: str = "",
    zone: str = "",
    env: Mapping[str, str] = {},
) -> Command:
    """Return the command of an agent; ``masters`` is ``HOST:PORT`` or ``zk://…``.

    Region and zone are its fault domain; ``env`` is put into its executors' environment.
    """
    for folder in (work, health):
        folder.mkdir(parents=True, exist_ok=True)
    environment = {"LAB_HEALTH": str(health), "PATH": PATH, **env}
    argv = [
        HOST, "agent", f"--ip={address}", f"--port={AGENT_PORT}", f"--hostname={address}",
        f"--master={masters}", f"--work_dir={work}/work", f"--runtime_dir={work}/runtime",
        f"--fetcher_cache_dir={work}/fetch", f"--appc_store_dir={work}/appc",
        f"--docker_store_dir={work}/docker", f"--launcher_dir={BUILT}/libexec",
        "--launcher=posix", "--isolation=posix/cpu,posix/mem", "--no-systemd_enable_support",
        "--http_command_executor", "--executor_shutdown_grace_period=2secs",
        "--registration_backoff_factor=100ms",
        "--resources=cpus:200;mem:500000;disk:100000;ports:[10000-32000]",
        # An executor gets nothing of its agent's own environment.
        "--executor_environment_variables=" + json.dumps(environment),
    ]  # fmt: skip
    argv += _domain(region, zone)
    return Command(tuple(argv))


def _domain(region: str, zone: str) -> list[str]:
    if not region:
        return []
    domain = {"fault_domain": {"region": {"name": region}, "zone": {"name": zone}}}
    return ["--domain=" + json.dumps(domain)]


def zookeeper(address: str, work: Path) -> Command:
    """Return the command of a ZooKeeper that stands alone."""
    work.mkdir(parents=True, exist_ok=True)
    config = work / "zoo.cfg"
    config.write_text(
        f"tickTime=500\ninitLimit=10\nsyncLimit=5\ndataDir={work}/data\n"
        f"clientPort={ZOOKEEPER_PORT}\nclientPortAddress={address}\nminSessionTimeout=1000\n"
        "admin.enableServer=false\n"
    )
    return Command((
        "java", "-Xmx128m", "-Dzookeeper.jmx.log4j.disable=true", "-Djava.awt.headless=true",
        "-cp", f"{work}:/usr/share/java/zookeeper.jar",
        "org.apache.zookeeper.server.quorum.QuorumPeerMain", str(config),
    ))  # fmt: skip


def framework(address: str, work: Path, health: Path, masters: str) -> Command:
    """Return the command of the framework ``marathon``; ``masters`` is ``HOST:PORT[,…]``."""
    for folder in (work, health):
        folder.mkdir(parents=True, exist_ok=True)
    return Command((
        python(), "-ES", str(SOURCES / "framework.py"), "--masters", masters,
        "--control", f"{address}:{CONTROL_PORT}", "--id-file", str(work / "id"),
        "--health", str(health),
    ))  # fmt: skip
