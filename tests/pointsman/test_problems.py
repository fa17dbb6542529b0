import asyncio

import aiohttp
from aiohttp import web

from pointsman import problems
from pointsman.answers import PROBLEM
from pointsman.problems import telling


async def _refusing(request: web.Request) -> web.Response:
    raise problems.error(web.HTTPBadRequest, "it is too late", {"X-So": "yes"}, "when")


def test_what_is_refused_is_told_as_a_problem() -> None:
    async def run() -> None:
        app = web.Application(middlewares=[telling])
        app.router.add_get("/late", _refusing)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0]
        async with aiohttp.ClientSession(f"http://{host}:{port}") as session:
            async with session.get("/late") as reply:
                assert (reply.status, reply.content_type) == (400, PROBLEM)
                assert reply.headers["X-So"] == "yes"
                assert await reply.json(content_type=None) == {
                    "status": 400,
                    "title": "Bad Request",
                    "detail": "it is too late",
                    "parameter": "when",
                }
            async with session.get("/nope") as reply:
                assert (reply.status, reply.content_type) == (404, PROBLEM)
                told = await reply.json(content_type=None)
                assert told == {"status": 404, "title": "Not Found"}
            async with session.post("/late") as reply:
                assert (reply.status, reply.headers["Allow"]) == (405, "GET,HEAD")
        await runner.cleanup()

    asyncio.run(run())
