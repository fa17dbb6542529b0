import asyncio

from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from pointsman.gate import PAGE, secure


def headers(**given: str) -> dict[str, str]:
    """Return those of an answer with these, once it is secured."""

    async def run() -> dict[str, str]:
        answer = web.Response(text="x", headers={k.replace("_", "-"): v for k, v in given.items()})
        await secure(make_mocked_request("GET", "/"), answer)
        return dict(answer.headers)

    return asyncio.run(run())


def test_a_page_may_load_nothing_of_others_and_be_shown_by_nobody() -> None:
    found = headers(Content_Type="text/html")
    assert found["Content-Security-Policy"] == PAGE
    assert "frame-ancestors 'none'" in PAGE
    assert "Content-Security-Policy" not in headers(Content_Type="text/plain")


def test_what_an_answer_says_of_itself_stands() -> None:
    said = headers(
        Content_Type="text/html", Content_Security_Policy="sandbox", Cache_Control="no-cache"
    )
    assert (said["Content-Security-Policy"], said["Cache-Control"]) == ("sandbox", "no-cache")


def test_what_has_a_tag_is_asked_for_again_and_the_rest_not_kept() -> None:
    assert headers(ETag='"1"')["Cache-Control"] == "no-cache"
    assert headers()["Cache-Control"] == "no-store"
