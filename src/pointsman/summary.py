"""The cluster and this node at a glance."""

from pointsman.pipeline import Views


def sizes(views: Views) -> tuple[int, int]:
    """Return how many virtual servers are wanted, and how many real servers they have in all."""
    found = [
        len(target.server.real_servers)
        for key, target in views.wanted.targets.items()
        if not key.fwmark
    ]
    return len(found), sum(found)
