import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.healthcheck.model import (
    Check,
    Dns,
    Exec,
    Grpc,
    Http,
    Probe,
    Tcp,
    Timing,
    Tls,
    Udp,
)
from pointsman.healthcheck.specification import MESOS, NONE, read

COMMANDS = {"mysql": ("/usr/lib/nagios/check_mysql", "-H", "{address}")}
TIMING = Timing(interval=5, timeout=2, edge=1, stable=0, rise=2, fall=3, grace=10)


def of(text: str) -> Check:
    found = read(text, TIMING, COMMANDS)
    assert isinstance(found, Check)
    return found


@pytest.mark.parametrize(
    ("text", "probe"),
    [
        ("tcp", Tcp()),
        ("TCP", Tcp()),
        ("http", Http()),
        ("http /health?full=1&host=x", Http("/health?full=1&host=x")),
        ("http / method=head host=web.example:8080", Http("/", "HEAD", "web.example:8080")),
        (
            "http /x 'header=X-Probe: yes please' header=Accept:*/*",
            Http("/x", headers=(("X-Probe", "yes please"), ("Accept", "*/*"))),
        ),
        ("http status=200", Http(statuses=((200, 200),))),
        ("http status=200-299,404", Http(statuses=((200, 299), (404, 404)))),
        ('http body="all is well"', Http(body="all is well")),
        ("https", Http(tls=Tls())),
        (
            "https /x sni=web.example verify=no ca=/ca.pem cert=/c.pem key=/k.pem",
            Http("/x", tls=Tls("web.example", False, "/ca.pem", "/c.pem", "/k.pem")),
        ),
        ("grpc", Grpc()),
        ("grpc shop.Cart host=cart", Grpc("shop.Cart", "cart")),
        ("grpc tls=yes verify=false", Grpc(tls=Tls(verify=False))),
        ("dns", Dns()),
        ("dns web.example", Dns("web.example")),
        (
            "dns web.example. aaaa expect=fd00::1 tcp=yes rcode=nxdomain",
            Dns("web.example.", "AAAA", "NXDOMAIN", "fd00::1", True),
        ),
        ("udp", Udp()),
        ("udp send=ping expect=hex:504f", Udp(b"ping", b"PO")),
        ("udp send=é", Udp("é".encode())),
        ("exec mysql", Exec("mysql", COMMANDS["mysql"])),
    ],
)
def test_each_kind_is_read(text: str, probe: Probe) -> None:
    assert of(text) == Check(probe, TIMING)


def test_times_are_those_that_are_said_and_else_the_usual_ones() -> None:
    found = of("tcp interval=2.5 timeout=1 edge=0.5 stable=60 rise=1 fall=4 grace=0")
    assert found.timing == Timing(2.5, 1, 0.5, 60, 1, 4, 0)
    # What is usual gives way to a shorter interval.
    assert of("tcp interval=0.5").timing == Timing(0.5, 0.5, 0.5, 0, 2, 3, 10)
    assert of("tcp interval=60").timing == Timing(60, 2, 1, 0, 2, 3, 10)


def test_where_and_how_it_is_asked() -> None:
    assert of("http port=9090").port == 9090
    assert of("http data-path=yes").data_path


@pytest.mark.parametrize("text", ["mesos", "none", "None", " mesos "])
def test_two_words_stand_for_themselves(text: str) -> None:
    assert read(text, TIMING, COMMANDS) in (MESOS, NONE)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is empty"),
        ("http 'x", "No closing quotation"),
        ("ping", "'ping' is no check; there are tcp, http"),
        ("none of these", "'none' is no check"),
        ("tcp 80", "'80' is one word too many for tcp"),
        ("tcp status=200", "'status' is no option of tcp"),
        ("http health", "'health' is no path"),
        ("http '/a b'", "is no path"),
        ("http /\u00e9", "is no path"),
        ("http /\r\nHost:x", "one word too many"),
        ("http method='GET /'", "method 'GET /' is none"),
        ("http host='a b'", "host 'a b' is none"),
        ("http 'header=no colon'", "is not NAME: VALUE"),
        ("http 'header=A: b\r\nC: d'", "is not NAME: VALUE"),
        ("http status=ok", "is not as 200 or 200-299,404"),
        ("http status=200-", "is not as"),
        ("http status=600", "is not as"),
        ("http status=300-200", "300 is above 200"),
        # A pattern could hold the process for ever.
        ("http / match=ok", "one word too many"),
        ("https ca=ca.pem", "'ca.pem' is no absolute path"),
        ("https verify=perhaps", "neither yes nor no"),
        ("dns a..b", "'a..b' is no domain name"),
        ("dns b\u00fccher.example", "is no domain name"),
        ("dns " + "a" * 64, "is no domain name"),
        ("dns . ANY", "'ANY' is none of A, AAAA"),
        ("dns rcode=OK", "rcode 'OK' is none of"),
        ("udp send=hex:5", "not hexadecimal"),
        ("exec", "command '' is not in health.commands; there are: mysql"),
        ("exec rm", "command 'rm'"),
        ("exec mysql data-path=yes", "what a command sends"),
        ("tcp data-path=yes port=80", "leave port out"),
        ("tcp port=0", "port '0' is not a number from 1 to 65535"),
        ("tcp fall=0", "fall '0'"),
        ("tcp interval=0.01", "not a number of seconds \\(0.1 to 86400\\)"),
        ("tcp interval=nan", "not a number of seconds"),
        ("tcp interval=1 interval=2", "interval is given 2 times"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_reason(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read(text, TIMING, COMMANDS)


KINDS = st.sampled_from(
    ["tcp", "http", "https", "grpc", "dns", "udp", "exec mysql", "mesos", "none", "x"]
)
OPTION = st.builds(
    "{}={}".format,
    st.sampled_from([
        "method", "host", "header", "status", "body", "sni", "verify", "ca", "cert",
        "key", "tls", "rcode", "expect", "tcp", "send", "port", "data-path", "interval", "timeout",
        "edge", "stable", "rise", "fall", "grace",
    ]),
    st.text(max_size=8) | st.sampled_from(["yes", "no", "5", "0.5", "hex:00", "/x", "200-299"]),
)  # fmt: skip
WORDS = st.builds(
    lambda kind, words: " ".join((kind, *words)), KINDS, st.lists(OPTION | st.text(max_size=8))
)


@given(st.text() | WORDS)
def test_any_text_is_a_check_or_a_value_error(text: str) -> None:
    try:
        found = read(text, TIMING, COMMANDS)
    except ValueError:
        return
    assert found in (MESOS, NONE) or isinstance(found, Check)
