"""The container recipe, built and run by buildah, and the app definition for Marathon."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pointlab.servers.debian import TREE
from pointlab.site.process import Processes, wait_for

ROOT = Path(__file__).parents[2]
STATE = ROOT / "tests/data/mesos/running-state.json"
RECIPE = ROOT / "deploy/Containerfile"
ADDED = re.findall("--cap-add (\\w+)", RECIPE.read_text())
CONFIG = """\
[discovery]
file = "/etc/pointsman/state.json"
[dns]
listen = ["127.0.0.1:53"]
[vip]
enabled = false
"""


class Buildah:
    """Images and containers in a folder of their own; a container is a changed root here."""

    def __init__(self, folder: Path) -> None:
        self.words = ["buildah", "--root", str(folder / "root"), "--runroot", str(folder / "run")]
        self.env = {**os.environ, "STORAGE_DRIVER": "vfs", "BUILDAH_ISOLATION": "chroot"}

    def run(self, *words: str | Path) -> str:
        done = subprocess.run(
            [*self.words, *words], env=self.env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()


@pytest.fixture(scope="module")
def buildah(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Buildah]:
    """Give a buildah that has built the recipe, on Debian's own tree rather than an image of it."""
    if os.geteuid() or not shutil.which("buildah"):
        pytest.skip("needs root and buildah")
    made = Buildah(tmp_path_factory.mktemp("buildah"))
    try:
        base = made.run("from", "scratch")
        made.run("add", "--quiet", base, TREE, "/")
        made.run("commit", "--quiet", base, "localhost/debian")
        # Where this machine reaches its package index by an authority of its own, so does pip.
        conf = tmp_path_factory.mktemp("pip") / "pip.conf"
        conf.write_text("[global]\ncert = /authorities.pem\n")
        given = [f"{conf}:/etc/pip.conf:ro"]
        given.append("/etc/ssl/certs/ca-certificates.crt:/authorities.pem:ro")
        mounts = [word for mount in given for word in ("--volume", mount)]
        base_is = ["--build-arg", "BASE=localhost/debian"]
        options = ["--format", "docker", "--layers=false", "--network", "host", *base_is]
        made.run("build", *options, *mounts, "-f", RECIPE, "-t", "pointsman", ROOT)
        yield made
    finally:
        subprocess.run([*made.words, "rm", "--all"], env=made.env, capture_output=True)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_container_serves_as_a_user_of_its_own_with_two_rights(
    buildah: Buildah, tmp_path: Path
) -> None:
    image = json.loads(buildah.run("inspect", "--type", "image", "pointsman"))["Docker"]["config"]
    there = buildah.run("from", "pointsman")
    shutil.copy(STATE, tmp_path / "state.json")
    (tmp_path / "pointsman.toml").write_text(CONFIG)
    tmp_path.chmod(0o755)
    caps = [word for name in ADDED for word in ("--cap-add", f"CAP_{name}")]
    options = ["--network", "host", "--volume", f"{tmp_path}:/etc/pointsman:ro", *caps]
    command = [*buildah.words, "run", *options, there, *image["Entrypoint"], *image["Cmd"]]
    space, processes = f"pointsman-{os.getpid()}-image", Processes(tmp_path / "logs", buildah.env)
    subprocess.run(["ip", "netns", "add", space], check=True)
    inside = ["ip", "netns", "exec", space]
    ask = [*inside, "dig", "+short", "+tries=1", "@127.0.0.1", "web.marathon.mesos"]
    try:
        subprocess.run(["ip", "-n", space, "link", "set", "lo", "up"], check=True)
        processes.start("container", command, netns=space)
        wait_for(
            lambda: "127.0.0.11" in subprocess.run(ask, capture_output=True, text=True).stdout,
            "an answer",
        )
        health = image["Healthcheck"]["Test"]
        assert health[0] == "CMD"
        subprocess.run([*inside, *buildah.words, "run", "--network", "host", there, *health[1:]],
                       env=buildah.env, check=True)  # fmt: skip
        pids = subprocess.check_output(["ip", "netns", "pids", space], text=True).split()
        status = [Path(f"/proc/{pid}/status").read_text() for pid in pids]
        (own,) = (each for each in status if re.search("^Name:\tpointsman", each))
        assert not re.search("^Uid:.*\t0\t", own, re.MULTILINE)
        # CAP_NET_ADMIN and CAP_NET_BIND_SERVICE, and no way to more
        for kind in ("CapEff", "CapPrm", "CapBnd", "CapAmb"):
            (found,) = re.findall(rf"^{kind}:\t(\w+)$", own, re.MULTILINE)
            assert int(found, 16) == 1 << 12 | 1 << 10
    finally:
        for pid in subprocess.check_output(["ip", "netns", "pids", space], text=True).split():
            subprocess.run(["kill", pid], check=False)
        processes.stop("container")
        subprocess.run(["ip", "netns", "del", space], check=True)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_image_has_the_extension_and_nothing_that_built_it(buildah: Buildah) -> None:
    there = buildah.run("from", "pointsman")
    python = "/opt/pointsman/bin/python3"
    buildah.run("run", there, python, "-c", "from pointsman.dns import _native")
    for program in ("gcc", "cc", "ld", "python3-config", "pip"):
        assert buildah.run("run", there, "sh", "-c", f"command -v {program} || echo none") == "none"
    assert buildah.run("run", there, "find", "/", "-xdev", "-name", "Python.h") == ""


def test_the_recipe_takes_all_that_the_wheel_is_made_of() -> None:
    lines = re.findall(r"^COPY (.*) /source/", RECIPE.read_text(), re.MULTILINE)
    links = {link.name for link in (ROOT / "src/pointsman").iterdir() if link.is_symlink()}
    files = {"pyproject.toml", "setup.py", "README.md", "LICENSE"}
    assert {word for line in lines for word in line.split()} == links | files | {"src"}


# What Marathon 1.11's own description of its API has (docs/docs/rest-api of its source).
APP = {
    "id": str, "cpus": float, "mem": int, "disk": int, "instances": int, "constraints": list,
    "acceptedResourceRoles": list, "networks": list, "portDefinitions": list, "container": dict,
    "args": list, "healthChecks": list, "upgradeStrategy": dict, "unreachableStrategy": str,
}  # fmt: skip
HEALTH = {
    "protocol": str, "path": str, "port": int, "gracePeriodSeconds": int, "intervalSeconds": int,
    "timeoutSeconds": int, "maxConsecutiveFailures": int,
}  # fmt: skip
DOCKER = {"image": str, "forcePullImage": bool, "privileged": bool, "parameters": list}


def test_the_app_definition_has_fields_that_marathon_knows() -> None:
    app = json.loads((ROOT / "deploy/marathon.json").read_text())
    docker, (health,) = app["container"]["docker"], app["healthChecks"]
    for table, known in ((app, APP), (health, HEALTH), (docker, DOCKER)):
        assert {key: type(value) for key, value in table.items()} == known
    assert set(app["container"]) == {"type", "docker", "volumes"}
    assert app["networks"] == [{"mode": "host"}]
    assert app["constraints"] == [["hostname", "UNIQUE"]]
    assert all(set(volume) == {"hostPath", "containerPath", "mode"}
               for volume in app["container"]["volumes"])  # fmt: skip


def test_the_app_definition_gives_the_rights_that_the_recipe_names() -> None:
    app = json.loads((ROOT / "deploy/marathon.json").read_text())
    parameters = app["container"]["docker"]["parameters"]
    assert [each["value"] for each in parameters if each["key"] == "cap-add"] == ADDED
    assert {"key": "cap-drop", "value": "ALL"} in parameters
