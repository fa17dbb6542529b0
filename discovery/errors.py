"""The two kinds of error; bad data is neither (it becomes a Note).

Transient   counted, logged, tried again with backoff; the last good view stands
Fatal       the process ends with this message; the service manager starts it again
"""


class Transient(Exception):
    """Something outside failed and may work again: a master, a reply, a netlink call."""


class Fatal(Exception):
    """Pointsman can't do its work here; the message says what to do about it."""
