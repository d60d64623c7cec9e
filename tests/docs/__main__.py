"""`python -m tests.docs`: write the tables of the documentation anew."""

from tests.docs.tables import PAGES, filled

for page in sorted(PAGES.glob("*.md")):
    text = page.read_text(encoding="utf-8")
    page.write_text(filled(text), encoding="utf-8")
