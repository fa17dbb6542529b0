import json

import pytest

from pointsman import __version__
from pointsman.cli import main


def test_versions(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == 0
    assert capsys.readouterr().out.startswith(f"pointsman {__version__} (Python 3.")
    assert main(["version", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["version"] == __version__
    assert set(found) == {"version", "python", "kernel"}
