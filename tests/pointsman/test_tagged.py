from aiohttp.test_utils import make_mocked_request

from pointsman.tagged import tagged


def test_what_a_client_has_is_not_sent_again() -> None:
    first = tagged(make_mocked_request("GET", "/"), b"[1]")
    assert (first.status, first.body, first.content_type) == (200, b"[1]", "application/json")
    for known in (first.headers["ETag"], f'"other", {first.headers["ETag"]}', "*"):
        asked = make_mocked_request("GET", "/", {"If-None-Match": known})
        assert (tagged(asked, b"[1]").status, tagged(asked, b"[1]").body) == (304, None)


def test_what_changed_is_sent() -> None:
    tag = tagged(make_mocked_request("GET", "/"), b"[1]").headers["ETag"]
    asked = make_mocked_request("GET", "/", {"If-None-Match": tag})
    assert tagged(asked, b"[2]", "text/css").body == b"[2]"
