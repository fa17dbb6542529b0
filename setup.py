"""What pyproject.toml can't say yet: the part in C, which the package does without if it must."""

from setuptools import Extension, setup

NATIVE = Extension(
    "pointsman.dns._native",
    [f"dns/native/{name}.c" for name in ("answer", "module", "server", "table")],
    depends=["dns/native/native.h"],
    # One build serves every CPython from 3.11 on.
    define_macros=[("_GNU_SOURCE", "1"), ("Py_LIMITED_API", "0x030B0000")],
    py_limited_api=True,
    extra_compile_args=["-std=c11", "-O2", "-pthread", "-fvisibility=hidden"],
    extra_link_args=["-pthread"],
    optional=True,
)

setup(ext_modules=[NATIVE], options={"bdist_wheel": {"py_limited_api": "cp311"}})
