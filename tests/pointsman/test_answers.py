"""The shapes are declared as they are answered; test_api_document.py asks for all of them."""

import msgspec

from pointsman import records_api
from pointsman.answers import MesosDnsConfig, Version
from pointsman.config import Config


def test_the_words_of_mesos_dns_are_declared_as_they_are() -> None:
    for said, kind in (
        (records_api.config(Config()), MesosDnsConfig),
        (records_api.version(), Version),
    ):
        assert msgspec.to_builtins(msgspec.convert(said, kind)) == said
