"""How DC/OS makes DNS labels out of the names of tasks, frameworks and VIPs.

One more rule than mesos-dns's own (``dns/names.py``): clusters that come from DC/OS have these
names in their callers' configuration.
"""

import re

MOST = 63
"""Octets in a DNS label (RFC 1035 section 2.3.4)."""

_start = re.compile(r"^[^a-z0-9]+")
_dashes = re.compile(r"[-_.]")
_others = re.compile(r"[^a-z0-9-]")


def label(text: str) -> str:
    """Return the text as one DNS label, "" when nothing of it is left.

    Lower case; what stands before the first letter or digit is dropped; "-", "_" and "." become
    "-"; all else is dropped; at most 63; no "-" at the end. ``/my_group/app.v1`` is
    ``my-groupapp-v1``.
    """
    kept = _others.sub("", _dashes.sub("-", _start.sub("", text.lower())))
    return kept[:MOST].rstrip("-")


def fragment(text: str) -> str:
    """Return the text as labels joined by dots: each part between dots is mangled by itself."""
    return ".".join(filter(None, map(label, text.split("."))))
