from pointsman.preflight_finding import counted, error, ok, text, warning

FINDINGS = (
    ok("files", "all can be read"),
    warning("resolver", "another is asked", "nothing"),
    error("ports", "UDP 0.0.0.0:53 is held by dnsmasq (7)", "stop it"),
)


def test_people_read_a_line_each_and_below_it_what_to_do() -> None:
    assert text(FINDINGS).splitlines() == [
        "ok       files     all can be read",
        "warning  resolver  another is asked",
        "         -> nothing",
        "error    ports     UDP 0.0.0.0:53 is held by dnsmasq (7)",
        "         -> stop it",
    ]


def test_on_a_terminal_levels_have_colours() -> None:
    good, doubtful, _, wrong, _ = text(FINDINGS, colours=True).splitlines()
    assert good.startswith("\x1b[32mok\x1b[0m")
    assert doubtful.startswith("\x1b[33mwarning\x1b[0m")
    assert wrong.startswith("\x1b[31merror\x1b[0m")


def test_levels_are_counted() -> None:
    assert counted(FINDINGS) == {"ok": 1, "warning": 1, "error": 1}
    assert counted(()) == {"ok": 0, "warning": 0, "error": 0}
