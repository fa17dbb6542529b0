"""The lab's command line."""

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence

from pointlab.faults import breaking
from pointlab.scenario import verbs
from pointlab.shows import demo, directors, health
from pointlab.site import guest, lab, topology
from pointlab.site.lab import Lab

Options = argparse.Namespace


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(verbs.lab_first(words))
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
    except (OSError, ValueError, LookupError, subprocess.CalledProcessError) as error:
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

    def add(
        name: str,
        help_: str,
        here: Callable[[Options], int],
        outside: Callable[[Options, list[str]], int],
    ) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=help_)
        command.set_defaults(here=here, outside=outside)
        if outside in (_run, _run_and_end, _boot_and_run):
            command.add_argument("--lab", default="", metavar="NAME", help="which, if several are")
        return command

    add("demo", "show a failover from beginning to end, then clean up", _demo, _boot)
    add("directors", "crash one of two directors under load, then clean up", _directors, _boot)
    checks = add(
        "checks", "break servers under load, beside keepalived, then clean up", _checks, _boot
    )
    checks.add_argument("scene", nargs="*", help=f"{', '.join(health.SCENES)}; all without any")
    up = add("up", "start a lab", _up, _boot_and_run)
    up.add_argument(
        "topology", nargs="?", default="small", help=f"{', '.join(topology.names())}, or a file"
    )
    run = add(
        "exec", "run a command on a node: lab exec client dig web.marathon.mesos", _exec, _run
    )
    run.add_argument("node", help="as `lab status` names it")
    run.add_argument("command", nargs=argparse.REMAINDER)
    add("status", "show what runs", _status, _run)
    logs = add("logs", "print a log: lab logs pointsman-agent1", _logs, _run)
    logs.add_argument("process", nargs="?", help="as `lab status` names it")
    breaks = add("break", "break something: lab break pause web.1", _break, _run)
    breaks.formatter_class, breaks.epilog = argparse.RawDescriptionHelpFormatter, breaking.table()
    breaks.add_argument(
        "--list", action="version", version=breaking.table(), help="say what can be broken"
    )
    breaks.add_argument("words", nargs="+", metavar="WORD")
    heals = add("heal", "heal what was broken, with the same words; all without any", _heal, _run)
    heals.add_argument("words", nargs="*", metavar="WORD")
    verbs.add(add, _run)
    add("down", "end a lab; nothing is left behind", _down, _run_and_end)
    # For the guest itself; without a help text the list of commands leaves it out.
    serve = commands.add_parser("serve")
    serve.set_defaults(here=_serve, outside=lambda *_: 2)
    serve.add_argument("name")
    return parser


# Here: inside the guest, or on a kernel with ip_vs.


def _demo(_: Options) -> int:
    return demo.run()


def _directors(_: Options) -> int:
    return directors.run()


def _checks(options: Options) -> int:
    if unknown := set(options.scene) - set(health.SCENES):
        raise LookupError(f"no scene {unknown.pop()!r}; there are {', '.join(health.SCENES)}")
    return health.run(options.scene)


def _up(options: Options) -> int:
    read = topology.load(options.topology)
    made = Lab(options.lab or read.name, read)
    out = demo.console()
    try:
        made.start()
        made.wait()
    except FileExistsError:
        raise
    except BaseException:
        demo.show_ended(made, out)
        made.stop()
        raise
    _show(made)
    return 0


def _exec(options: Options) -> int:
    made = Lab.open(options.lab)
    argv = options.command or ["bash"]
    return subprocess.run(made.command(made.node(options.node), argv), check=False).returncode


def _status(options: Options) -> int:
    _show(Lab.open(options.lab))
    return 0


def _show(made: Lab) -> None:
    print(f"lab {made.name}: {made.topology.about}")
    for node in made.topology.nodes.values():
        print(f"{node.name:20} {', '.join(node.addresses):30} {', '.join(node.runs)}")
    for name in made.processes.names():
        alive = "running" if made.processes.alive(name) else "ended"
        print(f"{name:20} {alive:8} pid {made.processes.pid(name)}")
    for node in made.topology.running("pointsman"):
        print(f"{node.name:20} {'ready' if made.ready(node) else 'not ready'}")


def _logs(options: Options) -> int:
    made = Lab.open(options.lab)
    if options.process not in made.processes.names():
        raise LookupError(f"name one of: {', '.join(made.processes.names())}")
    sys.stdout.write(made.processes.log(options.process).read_text(errors="replace"))
    return 0


def _break(options: Options) -> int:
    breaking.command(Lab.open(options.lab), options.words)
    return 0


def _heal(options: Options) -> int:
    breaking.command(Lab.open(options.lab), options.words, heal=True)
    return 0


def _down(options: Options) -> int:
    lab.clear(options.lab or Lab.open().name)
    return 0


def _serve(options: Options) -> int:
    guest.serve(options.name)
    return 0


# Outside: on a machine without ip_vs, where each lab has a guest.


def _boot(_: Options, words: list[str]) -> int:
    print("this kernel has no ip_vs: booting a user-mode-linux that has", flush=True)
    return guest.foreground(words)


def _boot_and_run(options: Options, words: list[str]) -> int:
    name = options.lab or topology.load(options.topology).name
    if not guest.is_running(name):
        print("this kernel has no ip_vs: booting a user-mode-linux that has", flush=True)
        guest.boot(name)
    status = guest.run(name, words)
    if status:
        guest.end(name)
    return status


def _run(options: Options, words: list[str]) -> int:
    return guest.run(guest.which(options.lab), words)


def _run_and_end(options: Options, words: list[str]) -> int:
    name = guest.which(options.lab)
    guest.run(name, words)
    guest.end(name)
    return 0
