from pathlib import Path
def measure(folder: Path, tasks: int) -> None:
    pass
