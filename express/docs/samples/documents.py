"""The document processing workflow's functions: a page's scan is its text here."""

from __future__ import annotations

from typing import Any


class PageUnreadable(Exception):
    """A scan that holds no text."""


def read_page(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """The text of one page."""
    if not event["scan"].strip():
        raise PageUnreadable(f"page {event['number']} of {event['document']}")
    return {"page": event["number"], "words": event["scan"].lower().split()}


def classify(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Return what kind of document the words make it, and how sure that is."""
    words = [word for page in event["text"] for word in page["words"]]
    hits = {
        "invoice": sum(word in ("invoice", "total", "vat", "due") for word in words),
        "contract": sum(word in ("contract", "party", "hereby", "signed") for word in words),
    }
    kind = max(hits, key=lambda name: hits[name])
    confidence = min(1.0, hits[kind] / 3)
    return {"kind": kind if confidence > 0 else "unknown", "confidence": confidence}


def check_complete(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Check that the words are there that such a document can't do without."""
    needed = {"invoice": "total", "contract": "signed"}[event["kind"]]
    found = any(needed in page["words"] for page in event["text"])
    return {"passed": found, "note": "complete" if found else f"{needed!r} is missing"}


def check_plausible(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Check that its numbers are those of an honest document."""
    numbers = [float(word) for page in event["text"] for word in page["words"] if word.isdecimal()]
    passed = all(number < 1_000_000 for number in numbers)
    return {"passed": passed, "note": "plausible" if passed else "an amount is too large"}


async def check_new(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Check that the document was not seen before: copies say so in their id."""
    passed = not event["id"].endswith("-copy")
    return {"passed": passed, "note": "new" if passed else f"seen before: {event['digest'][:12]}"}


def discard(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Forget the text that was read."""
    return {"discarded": event["id"]}
