"""The responder's C, under sanitizers: its packets, its table under change, its sockets."""

import ipaddress
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pointsman.dns.limit import SEND, Limiter, Networks, RateLimit

HERE = Path(__file__).parent
SOURCES = HERE.parents[2] / "dns/native"
BUILDS = (("gcc", "address,undefined"), ("clang-14", "address,undefined"), ("gcc", "thread"))
CHANGES = {"address,undefined": 200_000, "thread": 50_000}
PAUSED = 100_000
"""Changes while other threads may come between any two steps."""

BOTH = ("table", "answer")
PARTS = {"steps": ("answer",)}
"""Of the responder, what is linked to a program; this one has the table inside."""

BINDING = [HERE / "test_binding.py", HERE / "test_refusals.py"]

MOST_BITS = 28
"""Of random addresses for which the thread sanitizer of GCC 12 has room."""

Build = Callable[..., Path]

every_build = pytest.mark.parametrize(("compiler", "sanitizer"), BUILDS)


def program(build: Build, name: str, compiler: str, sanitizer: str, *words: str) -> list[str]:
    """Build one of the C files here with the responder's; return how to run it."""
    flags = [f"-fsanitize={sanitizer}", *words]
    files = [HERE / f"{name}.c", *(SOURCES / f"{part}.c" for part in PARTS.get(name, BOTH))]
    path = str(build(compiler, *flags, *files, name="-".join([name, sanitizer, *words[:1]])))
    bits = int(Path("/proc/sys/vm/mmap_rnd_bits").read_text())
    return ["setarch", "-R", path] if sanitizer == "thread" and bits > MOST_BITS else [path]


def run(command: list[str], said: str = "") -> str:
    """Run a program to its good end."""
    done = subprocess.run(command, input=said, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@every_build
def test_each_kind_of_packet_has_its_answer(build: Build, compiler: str, sanitizer: str) -> None:
    run(program(build, "packets", compiler, sanitizer))


@every_build
def test_what_is_said_is_what_was_taught(build: Build, compiler: str, sanitizer: str) -> None:
    run(program(build, "answers", compiler, sanitizer, "-Wl,--wrap=calloc"))


@every_build
def test_addresses_of_targets_go_along(build: Build, compiler: str, sanitizer: str) -> None:
    run(program(build, "targets", compiler, sanitizer))


@every_build
def test_a_table_under_change_says_what_is_true(
    build: Build, compiler: str, sanitizer: str
) -> None:
    run([*program(build, "changes", compiler, sanitizer), str(CHANGES[sanitizer])])


def test_what_a_reader_found_stays_whenever_it_comes(build: Build) -> None:
    run(program(build, "steps", *BUILDS[0]))


def test_nor_does_it_matter_what_comes_between_two_steps(build: Build) -> None:
    command = program(build, "changes", *BUILDS[0], "-include", str(HERE / "pauses.h"))
    run([*command, str(PAUSED)])


@pytest.mark.long
@every_build
def test_a_table_is_right_and_no_larger_after_millions_of_changes(
    build: Build, compiler: str, sanitizer: str
) -> None:
    run([*program(build, "changes", compiler, sanitizer), str(CHANGES[sanitizer] * 20)])


@every_build
def test_threads_answer_from_their_sockets(
    build: Build, compiler: str, sanitizer: str, network: Callable[[str], None]
) -> None:
    for address in ("fd00::1/128", "fd00::2/128", "fe80::1/64"):
        network(f"addr add {address} dev lo nodad")
    run(program(build, "sockets", compiler, sanitizer))


@pytest.mark.parametrize("name", sorted(path.name for path in SOURCES.glob("*.c")))
def test_the_analyzer_finds_nothing(build: Build, name: str) -> None:
    build("gcc", "-fanalyzer", "-c", SOURCES / name, name=f"{name}.o")


# Limits, beside those of Python.


def digits(address: str) -> str:
    """Return an address as the extension has it: IPv4 mapped to IPv6."""
    read = ipaddress.ip_address(address)
    return (b"\0" * 10 + b"\xff\xff" + read.packed if read.version == 4 else read.packed).hex()


def addresses(chance: random.Random) -> str:
    """Return an address of one of few networks, so that some are in the same."""
    if chance.randrange(2):
        return f"10.{chance.randrange(2)}.{chance.choice((0, 127, 128))}.{chance.randrange(256)}"
    return str(
        ipaddress.IPv6Address(
            (0xFD00 << 112) | chance.randrange(4) << chance.choice((63, 71, 72, 96, 120))
        )
    )


def some_networks(chance: random.Random) -> tuple[str, ...]:
    """Return three networks of any size."""
    hosts = [addresses(chance) for _ in range(3)]
    bits = [chance.randrange(33 if "." in host else 129) for host in hosts]
    return tuple(
        str(ipaddress.ip_network(f"{host}/{size}", strict=False))
        for host, size in zip(hosts, bits, strict=True)
    )


def test_the_same_clients_have_no_limit_as_in_python(build: Build) -> None:
    command = program(build, "limits", *BUILDS[0])
    chance = random.Random(1)
    for networks in (("0.0.0.0/0",), ("::/0",), *(some_networks(chance) for _ in range(40))):
        hosts = [addresses(chance) for _ in range(200)]
        lines = ["rate 0"]
        for network in map(ipaddress.ip_network, networks):
            bits = network.prefixlen + (96 if network.version == 4 else 0)
            lines.append(f"exempt {digits(str(network.network_address))} {bits}")
        lines += [f"ask 1 {digits(host)}" for host in hosts]
        said = run(command, "\n".join(lines) + "\n")
        known = Networks(networks)
        assert said == "".join("1" if host in known else "0" for host in hosts)
        assert len(networks) > 1 or "1" in said


@pytest.mark.parametrize("rate", [1, 2, 3, 7, 50, 200, 1_000])
def test_a_network_is_sent_so_many_at_once(build: Build, rate: int) -> None:
    hosts = ["192.0.2.1", "192.0.2.200", "192.0.3.1", "2001:db8::1", "2001:db8:0:ff::", "fd00::1"]
    lines = [f"rate {rate}"]
    lines += [f"ask 5 {digits(host)}" for host in hosts for _ in range(rate + 1)]
    said = run(program(build, "limits", *BUILDS[0]), "\n".join(lines) + "\n")
    full, none = "1" * rate + "0", "0" * (rate + 1)  # those of one network have one limit
    assert said == full + none + full + full + none + full


@pytest.mark.parametrize("rate", [1, 4, 10, 333])
def test_none_is_sent_what_python_would_not_send(build: Build, rate: int) -> None:
    chance = random.Random(rate)
    time, lines, asked = 0, [f"rate {rate}"], list[tuple[int, str]]()
    for _ in range(3_000):
        time += chance.randrange(2_000_000_000 // rate)
        asked.append((time, chance.choice(("192.0.2.1", "2001:db8::1"))))
        lines.append(f"ask {time} {digits(asked[-1][1])}")
    said = run(program(build, "limits", *BUILDS[0]), "\n".join(lines) + "\n")
    now = 0.0
    limiter = Limiter(RateLimit(per_second=0, all_per_second=rate, exempt=()), lambda: now)
    for (nanoseconds, host), sent in zip(asked, said, strict=True):
        now = nanoseconds / 1e9
        assert sent == "0" or limiter.verdict(host, bytes(12)) is SEND
    assert said.count("1") > len(said) / 3


# What Python sees.


def test_the_binding_is_clean_under_sanitizers(extension: Callable[..., Path]) -> None:
    path = extension("-fsanitize=address,undefined")
    libraries = [library("libasan.so"), library("libubsan.so")]
    variables = {
        "POINTSMAN_NATIVE": str(path),
        "LD_PRELOAD": ":".join(libraries),
        "PYTHONMALLOC": "malloc",  # so that what is beside an object of Python is seen, too
        "ASAN_OPTIONS": "quarantine_size_mb=16",  # as it is looked at whether memory grows
        "LSAN_OPTIONS": "exitcode=0",  # as Python leaves some for the end
    }
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *BINDING],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "dns/native/" not in done.stderr


def library(name: str) -> str:
    """Return where the compiler has a library."""
    command = ["gcc", f"-print-file-name={name}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
