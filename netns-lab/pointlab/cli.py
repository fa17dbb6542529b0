"""The lab's command line."""

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Sequence

from pointlab import demo, guest, health, rolling
from pointlab.lab import Lab
from pointlab.topology import NODES, node


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(words)
    if os.getuid():
        print("lab: namespaces and kernel tables need root: sudo netns-lab/lab …", file=sys.stderr)
        return 1
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    try:
        # Inside the guest, or where the kernel has ip_vs, the work is done here.
        if os.environ.get("LAB_GUEST") or guest.kernel_has_ipvs():
            return int(options.here(options))
        return int(options.outside(options, words))
    except KeyboardInterrupt:
        return 130
    except (OSError, TimeoutError, LookupError, subprocess.CalledProcessError) as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1


def _end(number: int, _: object) -> None:
    """End, cleaning up on the way out."""
    raise SystemExit(128 + number)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lab",
        description="A Mesos cluster with Pointsman on every node, in network namespaces of this "
        "machine. Where its kernel has no ip_vs, everything runs inside a user-mode-linux.",
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def add(name: str, help_: str, here: object, outside: object) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=help_)
        command.set_defaults(here=here, outside=outside)
        return command

    add("demo", "show a failover from beginning to end, then clean up", _demo, _boot_for_demo)
    add(
        "roll",
        "replace all instances of a service under load, then clean up",
        _roll,
        _boot_for_demo,
    )
    checks = add(
        "health",
        "break servers under load, beside keepalived, then clean up",
        _health,
        _boot_for_demo,
    )
    checks.add_argument("scene", nargs="*", help=f"{', '.join(health.SCENES)}; all without any")
    add("up", "start the lab, with three instances of an app `web`", _up, _boot_and_run)
    run = add(
        "exec", "run a command on a node: lab exec client dig web.marathon.mesos", _exec, _run
    )
    run.add_argument("node", help=", ".join(n.name for n in NODES))
    run.add_argument("command", nargs=argparse.REMAINDER)
    add("status", "show what runs", _status, _run)
    logs = add("logs", "print a log: lab logs pointsman-master", _logs, _run)
    logs.add_argument("process", nargs="?", help="as `lab status` names it")
    add("down", "end the lab; nothing is left behind", _down, _run_and_end)
    # For the guest itself; without a help text the list of commands leaves it out.
    commands.add_parser("serve").set_defaults(here=_serve, outside=lambda *_: 2)
    return parser


# Here: inside the guest, or on a kernel with ip_vs.


def _demo(_: argparse.Namespace) -> int:
    return demo.run(Lab())


def _roll(_: argparse.Namespace) -> int:
    return rolling.run(Lab())


def _health(options: argparse.Namespace) -> int:
    if unknown := set(options.scene) - set(health.SCENES):
        raise LookupError(f"no scene {unknown.pop()!r}; there are {', '.join(health.SCENES)}")
    return health.run(options.scene)


def _up(_: argparse.Namespace) -> int:
    lab = Lab()
    if lab.is_up:
        print("the lab is up already")
        return 0
    demo.bring_up(lab, demo.console())
    print("\ntry: netns-lab/lab exec client dig web.marathon.mesos")
    print("     netns-lab/lab exec client curl -s http://web.marathon.l4lb.thisdcos.directory")
    return 0


def _exec(options: argparse.Namespace) -> int:
    lab, one = Lab(), node(options.node)
    if not lab.is_up:
        raise LookupError("the lab is not up; netns-lab/lab up starts it")
    argv = options.command or ["bash"]
    return subprocess.run(lab.command(one, argv), check=False).returncode


def _status(_: argparse.Namespace) -> int:
    lab = Lab()
    if not lab.is_up:
        print("the lab is not up; netns-lab/lab up starts it")
        return 3
    for name in lab.processes.names():
        alive = "running" if lab.processes.alive(name) else "ended"
        print(f"{name:20} {alive:8} pid {lab.processes.pid(name)}")
    for one in NODES:
        if one.pointsman:
            print(f"{one.name:20} {'ready' if lab.ready(one) else 'not ready':8} {one.address}")
    return 0


def _logs(options: argparse.Namespace) -> int:
    lab = Lab()
    if options.process not in lab.processes.names():
        raise LookupError(f"name one of: {', '.join(lab.processes.names()) or 'nothing runs'}")
    sys.stdout.write(lab.processes.log(options.process).read_text(errors="replace"))
    return 0


def _down(_: argparse.Namespace) -> int:
    Lab().stop()
    return 0


def _serve(_: argparse.Namespace) -> int:
    guest.serve()
    return 0


# Outside: on a machine without ip_vs.


def _boot_for_demo(_: argparse.Namespace, words: list[str]) -> int:
    print("this kernel has no ip_vs: booting a user-mode-linux that has", flush=True)
    return guest.foreground(words)


def _boot_and_run(_: argparse.Namespace, words: list[str]) -> int:
    if not guest.is_running():
        print("this kernel has no ip_vs: booting a user-mode-linux that has", flush=True)
        guest.boot()
    return guest.run(words)


def _run(_: argparse.Namespace, words: list[str]) -> int:
    if not guest.is_running():
        print("the lab is not up; netns-lab/lab up starts it", file=sys.stderr)
        return 3
    return guest.run(words)


def _run_and_end(_: argparse.Namespace, words: list[str]) -> int:
    if guest.is_running():
        guest.run(words)
    guest.end()
    return 0
