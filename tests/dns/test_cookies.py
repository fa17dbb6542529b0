import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.dns.cookies import Cookies

CLIENT, HOST = b"12345678", "203.0.113.9"


class Clock:
    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def test_a_cookie_has_the_clients_the_version_and_the_time() -> None:
    cookie = Cookies(b"secret", Clock()).made(CLIENT, HOST)
    assert len(cookie) == 24
    assert cookie[:12] == CLIENT + b"\1\0\0\0"
    assert int.from_bytes(cookie[12:16]) == 1_700_000_000


@pytest.mark.parametrize(
    ("age", "good"), [(0, True), (3600, True), (3601, False), (-300, True), (-301, False)]
)
def test_a_cookie_is_good_for_an_hour(age: int, good: bool) -> None:
    clock = Clock()
    cookies = Cookies(b"secret", clock)
    cookie = cookies.made(CLIENT, HOST)
    clock.now += age
    assert cookies.good(cookie, HOST) == good


def test_seconds_of_32_bits_run_out_without_harm() -> None:
    clock = Clock(2.0**32 - 5)
    cookies = Cookies(b"secret", clock)
    cookie = cookies.made(CLIENT, HOST)
    clock.now += 60
    assert cookies.good(cookie, HOST)
    assert not cookies.good(cookies.made(CLIENT, HOST)[:12] + bytes(4) + cookie[16:], HOST)


def test_a_cookie_is_for_one_client_at_one_address_by_one_secret() -> None:
    clock = Clock()
    cookies = Cookies(b"secret", clock)
    cookie = cookies.made(CLIENT, HOST)
    assert not cookies.good(b"87654321" + cookie[8:], HOST)
    assert not cookies.good(cookie, "203.0.113.10")
    assert not cookies.good(cookie, "2001:db8::1")
    assert not Cookies(b"another", clock).good(cookie, HOST)
    assert Cookies(b"secret", clock).good(cookie, HOST)


def test_a_renewed_cookie_is_made_from_the_clients_part() -> None:
    cookies = Cookies(b"secret", Clock())
    cookie = cookies.made(CLIENT, "fe80::1%eth0")
    assert cookies.made(cookie, "fe80::1%eth0") == cookie
    assert cookies.good(cookie, "fe80::1%eth1")  # the same address, by its scope another


@given(st.binary(max_size=48))
def test_made_up_cookies_are_not_good(cookie: bytes) -> None:
    assert not Cookies(b"secret", Clock()).good(cookie, HOST)
