"""Builds stand-ins for the shared libraries that libmesos.so wants and Debian 12 lacks.

usage: stubs.py PATH/libmesos.so FOLDER

libssl and libcrypto 1.0.0, libcurl with the symbol versions of CURL_OPENSSL_3, and the few symbols
of CPython 2.7. Every function returns 0: none is called by what the lab uses.
"""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

_SSL = re.compile(r"^(SSL_|SSLv|TLSv)")
_PYTHON = re.compile(r"^_?Py")
_PYTHON_DATA = {"PyExc_Exception", "PyExc_TypeError", "_Py_NoneStruct"}


def output(*command: str) -> list[str]:
    """Return the lines that a command prints."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, errors="replace", check=True)
    return done.stdout.splitlines()


def undefined(library: Path) -> list[tuple[str, str]]:
    """Return name and version of each symbol that a library wants of others."""
    found = []
    for line in output("nm", "-D", "--undefined-only", str(library)):
        kind, name = line.split()[:2]
        if kind == "U":
            found.append((name.partition("@")[0], name.partition("@")[2]))
    return found


def versions(library: Path) -> dict[str, list[str]]:
    """Return the symbol versions that a library wants, by the library that should have them."""
    found: dict[str, list[str]] = {}
    current = ""
    for line in output("readelf", "-VW", str(library)):
        if file := re.search(r"File: (\S+)", line):
            current = file[1]
            found[current] = []
        name = re.search(r"Name: (\S+)\s+Flags", line)
        if name and current:
            found[current].append(name[1])
    return found


def build(folder: Path, soname: str, code: str, script: str) -> None:
    """Compile one stand-in."""
    source, map_ = folder / f"{soname}.c", folder / f"{soname}.map"
    source.write_text(code)
    map_.write_text(script)
    subprocess.run(
        [
            "gcc", "-w", "-shared", "-fPIC", "-O1", "-o", folder / soname, source,
            f"-Wl,-soname,{soname}", f"-Wl,--version-script={map_}", "-Wl,-z,noexecstack",
        ],
        check=True,
    )  # fmt: skip
    source.unlink()
    map_.unlink()


def main(library: Path, folder: Path) -> None:
    """Build all of them."""
    symbols, wanted = undefined(library), versions(library)

    def versioned(soname: str, has: Callable[[str], bool]) -> None:
        code: list[str] = []
        script: list[str] = []
        for version in sorted(wanted[soname]):
            names = [name for name, its in symbols if its == version and has(name)]
            code += (f"long {name}(void) {{ return 0; }}" for name in names)
            script.append(f"{version} {{ global: {' '.join(f'{name};' for name in names)} }};")
        script.append("HIDDEN { local: *; };")
        build(folder, soname, "\n".join(code), "\n".join(script))

    versioned("libssl.so.1.0.0", lambda name: bool(_SSL.match(name)))
    versioned("libcrypto.so.1.0.0", lambda name: not _SSL.match(name))
    versioned("libcurl.so.4", lambda _: True)
    python = [name for name, _ in symbols if _PYTHON.match(name)]
    lines = (
        f"char {name}[64];" if name in _PYTHON_DATA else f"long {name}(void) {{ return 0; }}"
        for name in python
    )
    build(folder, "libpython-stub.so", "\n".join(lines), "{ global: *; };")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
