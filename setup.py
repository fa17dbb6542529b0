"""What pyproject.toml can't say yet: the part in C, which the package does without if it must."""

import sysconfig
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

FOLDER = Path("dns/native")
NATIVE = Extension(
    "pointsman.dns._native",
    sorted(map(str, FOLDER.glob("*.c"))),
    depends=["setup.py", *map(str, FOLDER.glob("*.h"))],
    # One build serves every CPython from 3.11 on.
    define_macros=[("_GNU_SOURCE", "1"), ("Py_LIMITED_API", "0x030B0000")],
    py_limited_api=True,
    # Hardened as Debian's programs are; without symbols, which would tell where it was built.
    extra_compile_args=[
        *("-std=c11", "-O2", "-g0", "-pthread", "-fvisibility=hidden"),
        *("-fstack-protector-strong", "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2"),
    ],
    extra_link_args=["-pthread", "-s", "-Wl,-z,relro,-z,now"],
    optional=True,
)


class Build(build_ext):
    """Builds it anew or not at all; without a compiler, the wheel is one for any system."""

    def run(self) -> None:
        """Build it."""
        name = self.get_ext_filename(NATIVE.name)
        built = Path(self.build_lib, name)
        for before in (built, Path("src", name)) if self.inplace else (built,):
            before.unlink(missing_ok=True)
        super().run()
        if not built.exists():
            self.distribution.ext_modules = []
            self.get_finalized_command("bdist_wheel").root_is_pure = True


# One thread writes what others read: the one with the GIL.
has_gil = not sysconfig.get_config_var("Py_GIL_DISABLED")
setup(
    ext_modules=[NATIVE] if has_gil else [],
    cmdclass={"build_ext": Build},
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if has_gil else {},
)
