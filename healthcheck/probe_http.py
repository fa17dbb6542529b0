"""The HTTP probe: a request is answered as expected."""

from pointsman.healthcheck import http1
from pointsman.healthcheck.model import Http, Place, Result
from pointsman.healthcheck.stream import connected


async def probe(http: Http, place: Place) -> Result:
    """Ask once, by a connection of its own; raises Failed with what went wrong."""
    request = http1.request(http, place)
    async with connected(place, http.tls, http.host) as stream:
        await stream.write(request)
        reader = http1.Reader(http)
        while not (response := reader.feed(await stream.read())):
            pass
    return http1.judged(http, response)
