"""The pages are a site: each has its place in it, it builds without a warning, and it needs no other host."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from express.docs.pages import FOLDER, pages

ROOT = Path(__file__).parents[2]


def test_every_page_has_its_place() -> None:
    """The navigation names each page once, and no other; a page begins with its heading."""
    assert sorted(pages()) == sorted(file.stem for file in FOLDER.glob("*.md"))
    assert list(dict.fromkeys(page.section for page in pages().values())) == [
        "Start",
        "Tutorials",
        "How-to",
        "Reference",
        "Explanation",
    ]
    assert all(re.match("# .+\n\n", page.text()) for page in pages().values())


def test_the_overview_leads_to_every_page() -> None:
    """The overview and the README link each page but the overview itself."""
    for text in (pages()["index"].text(), (ROOT / "README.md").read_text(encoding="utf-8")):
        linked = set(re.findall(r"\]\((?:express/docs/)?([\w-]+)\.md[)#]", text))
        assert set(pages()) - linked <= {"index"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built in strict mode."""
    pytest.importorskip("zensical", reason="the site needs zensical: pip install -e '.[docs]'")
    from tests.docs.site import build

    return build(tmp_path_factory.mktemp("site"))


def test_the_site_builds(site: Path) -> None:
    """Each page is there, links and anchors lead somewhere (strict mode refuses others), the search knows all."""
    for page in pages().values():
        heading = page.text().splitlines()[0].removeprefix("# ")
        assert re.search(rf"<h1[^>]*>{heading}<", (site / f"{page.name}.html").read_text(encoding="utf-8"))
    found = (site / "search.json").read_text(encoding="utf-8")
    assert all(f'"{name}.html' in found for name in pages() if name != "index")


def test_the_site_needs_no_other_host(site: Path) -> None:
    """Scripts, styles, fonts and pictures are its own: it opens offline."""
    for file in site.glob("*.html"):
        text = file.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|img|iframe)[^>]* src=\"?([^\" >]+)", text)
        loaded += re.findall(
            r"<link[^>]* rel=\"?(?:stylesheet|icon|preload|preconnect)\"?[^>]* href=\"?([^\" >]+)", text
        )
        assert loaded
        assert not [url for url in loaded if "//" in url]


def test_a_broken_link_is_refused(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link to a page, or to a heading, that is not there stops the build."""
    import tests.docs.site

    for file in FOLDER.glob("*.*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    monkeypatch.setattr(tests.docs.site, "FOLDER", tmp_path)
    with (tmp_path / "index.md").open("a") as index:
        index.write("\n[gone](api.md#not-a-heading)\n")
    with pytest.raises(ValueError, match="anchor does not exist"):
        tests.docs.site.build(tmp_path / "build")
