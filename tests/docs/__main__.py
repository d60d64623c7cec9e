"""`python -m tests.docs` writes what the code makes of the pages anew; `--site FOLDER` builds the site there."""

import argparse
from pathlib import Path

from tests.docs import site
from tests.docs.tables import PAGES, filled

parser = argparse.ArgumentParser(prog="python -m tests.docs", description=__doc__)
parser.add_argument("--site", metavar="FOLDER", type=Path, help="Folder that does not exist yet: build the site there.")
chosen = parser.parse_args()
if chosen.site is not None:
    print(site.build(chosen.site) / "index.html")
else:
    for page in sorted(PAGES.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        page.write_text(filled(text), encoding="utf-8")
