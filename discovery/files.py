"""Writes small files so that a crash leaves the old one or the new one, never half of it."""

import os
from collections.abc import Iterable
from pathlib import Path

from pointsman.discovery.errors import Transient


def replace(path: Path, parts: Iterable[bytes]) -> None:
    """Put a file in the place of the last, on disk when this returns; makes its folder.

    Raises Transient when it can't be written; the old one then stands.
    """
    new = path.with_name(f"{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with new.open("wb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError as error:
        raise Transient(f"{path} can't be written: {error.strerror}") from error
