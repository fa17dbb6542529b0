"""Asks a target once, by whatever kind of probe it has."""

from pointsman.healthcheck import (
    probe_dns,
    probe_exec,
    probe_grpc,
    probe_http,
    probe_tcp,
    probe_udp,
)
from pointsman.healthcheck.model import (
    Dns,
    Exec,
    Failed,
    Grpc,
    Http,
    Place,
    Probe,
    Result,
    Tcp,
    Udp,
)


async def ask(probe: Probe, place: Place) -> Result:
    """Return what a probe finds; it takes no longer than ``place.timeout``."""
    try:
        match probe:
            case Tcp():
                return await probe_tcp.probe(probe, place)
            case Http():
                return await probe_http.probe(probe, place)
            case Grpc():
                return await probe_grpc.probe(probe, place)
            case Dns():
                return await probe_dns.probe(probe, place)
            case Udp():
                return await probe_udp.probe(probe, place)
            case Exec():
                return await probe_exec.probe(probe, place)
    except Failed as failed:
        return failed.result
