"""A minimal Debian in which packages are installed as on a machine of their own.

It is the tree that ``scripts/install`` makes, with a layer over it that is gone in the end.
"""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from pointlab.servers.nameservers import ROOT

TREE = ROOT / ".lab/debian/tree"
ARCHIVES = ROOT / ".lab/debian/archives"
"""What apt has fetched, kept from one run to the next."""

_INSIDE = f"""
mount -t proc proc "$0/proc" && mount --bind {ARCHIVES} "$0/var/cache/apt/archives" &&
  exec chroot "$0" "$@"
"""
_ENV = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "DEBIAN_FRONTEND": "noninteractive",
    "LC_ALL": "C.UTF-8",
}
_APT = ("apt-get", "-qq", "-y", "--no-install-recommends", "-o", "Dpkg::Use-Pty=0")


class Debian:
    """The tree with its layer; it needs root."""

    def __init__(self, folder: Path) -> None:
        """``folder`` holds the layer."""
        self.folder = folder
        self.tree = folder / "tree"

    def up(self) -> None:
        """Put the layer over the tree, and let apt know what there is."""
        for name in ("tree", "upper", "work"):
            (self.folder / name).mkdir()
        layers = f"lowerdir={TREE},upperdir={self.folder}/upper,workdir={self.folder}/work"
        subprocess.run(["mount", "-t", "overlay", "-o", layers, "debian", self.tree], check=True)
        for name in ("resolv.conf", "hosts"):
            shutil.copy(Path("/etc") / name, self.tree / "etc" / name)
        # The kernel and its network are the host's; what is fetched stays for the next run.
        (self.tree / "etc/apt/apt.conf.d/docker-clean").unlink(missing_ok=True)
        self.run([*_APT, "update"])

    def down(self) -> None:
        """Take the layer away."""
        subprocess.run(["umount", self.tree], check=True)

    def command(self, words: Sequence[str]) -> list[str]:
        """Return the words of a process that becomes a command in it."""
        return [*["unshare", "--mount", "sh", "-c"], _INSIDE, str(self.tree), *words]

    def run(self, words: Sequence[str], timeout: float = 120) -> str:
        """Run a command in it; return what it prints. Raises AssertionError when it fails."""
        done = subprocess.run(
            self.command(words),
            env=_ENV,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
        said = done.stdout + done.stderr
        assert done.returncode == 0, f"{' '.join(words)}: {said}"
        return said

    def install(self, *packages: str) -> str:
        """Install packages by name, or by the path of their file in the tree."""
        return self.run([*_APT, "install", *packages])
