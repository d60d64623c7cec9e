"""The documentation as a static site."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from express.docs.pages import FOLDER


def build(folder: Path) -> Path:
    """Build the site in `folder`, and return where its pages are; a broken link or a warning is an error."""
    pages = folder / "docs"
    pages.mkdir(parents=True)
    for file in [*FOLDER.glob("*.md"), *FOLDER.glob("*.png")]:
        shutil.copy(file, pages)
    shutil.copy(FOLDER / "zensical.toml", folder)
    answer = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict"], capture_output=True, text=True, check=False, cwd=folder
    )
    if answer.returncode:
        raise ValueError(f"the site can't be built:\n{answer.stdout}{answer.stderr}")
    return folder / "site"
