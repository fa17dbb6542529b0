"""The gRPC probe: the service says that it is serving."""

from pointsman.healthcheck.grpc_call import Call
from pointsman.healthcheck.model import Failed, Grpc, Outcome, Place, Result
from pointsman.healthcheck.stream import connected

_ALPN = "h2"


async def probe(spec: Grpc, place: Place) -> Result:
    """Call ``Health/Check``; raises Failed with what went wrong."""
    call = Call(spec.service, spec.host or str(place), "https" if spec.tls else "http")
    async with connected(place, spec.tls, spec.host, (_ALPN,)) as stream:
        if spec.tls and stream.protocol != _ALPN:
            raise Failed(Outcome.BAD, "no HTTP/2 over TLS: it did not choose h2")
        result = None
        while result is None:
            await stream.write(call.sending())
            result = call.receive(await stream.read())
        return result
