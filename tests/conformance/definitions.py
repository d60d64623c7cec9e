"""`python -m tests.conformance.definitions DIR…`: a corpus of definitions against the validator.

A corpus is a folder with an `index.json`: per definition its file, the verdict (valid, invalid, templated), for
invalid ones the class of the defect, and AWS's own diagnostic where it is known. Every definition goes the way of
`express validate`. The last line is `N passed, N failed`; exit code 0, 1, or 2 for a wrong call.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from express.cli.diagnosis import Options, diagnose
from express.errors import Diagnostic

from .definitions_page import page

EXPECTED_ERRORS = {"valid": False, "templated": False, "invalid": True}


class Outcome(msgspec.Struct, frozen=True):
    """What the validator said about one entry. `wrong` names what is wrong with that, None if nothing is.

    `seconds` of CPU include reading the text with the place of every part.
    """

    entry: dict[str, Any]
    errors: list[Diagnostic]
    wrong: str | None
    seconds: float = 0.0

    @property
    def group(self) -> str:
        """The row of the table it counts in."""
        return str(self.entry["rule"] if self.entry["verdict"] == "invalid" else f"({self.entry['verdict']})")


def corpora(folders: Iterable[Path]) -> Iterator[Path]:
    """Every `index.json` in and below the folders. Raises FileNotFoundError where a folder has none."""
    for folder in folders:
        found = sorted(folder.rglob("index.json")) if folder.is_dir() else []
        if not found:
            raise FileNotFoundError(f"no index.json in {folder}")
        yield from found


def judge(index: Path) -> list[Outcome]:
    """The outcome of every entry of a corpus."""
    entries = msgspec.json.decode(index.read_bytes())
    return [_outcome(index.parent, entry) for entry in entries]


def _outcome(folder: Path, entry: dict[str, Any]) -> Outcome:
    options = Options(type=entry.get("machine_type", "STANDARD"), warnings=False)
    raw = (folder / entry["file"]).read_bytes()
    started = time.process_time()
    errors = [finding.diagnostic for finding in diagnose(entry["file"], raw, options)]
    return Outcome(entry, errors, _wrong(entry, errors), time.process_time() - started)


def _wrong(entry: dict[str, Any], errors: list[Diagnostic]) -> str | None:
    if bool(errors) != EXPECTED_ERRORS[entry["verdict"]]:
        return "false alarm" if errors else "miss"
    known = entry.get("aws")
    if known and not any(_same(known, error) for error in errors):
        return "not as AWS says it"
    location = entry.get("location")
    if location and not any(location == error.location for error in errors):
        return "not where it is"
    return None


def _same(known: dict[str, str], error: Diagnostic) -> bool:
    """Whether a finding is the recorded one; for some the location is not known."""
    where = known.get("location")
    return (error.code, error.message) == (known["code"], known["message"]) and where in (None, error.location)


def table(outcomes: list[Outcome]) -> str:
    """A row per class of defect: cases, right ones, and how many of them equal AWS's own diagnostic."""
    cases = Counter(o.group for o in outcomes)
    right = Counter(o.group for o in outcomes if o.wrong is None)
    recorded = Counter(o.group for o in outcomes if "aws" in o.entry)
    width = max(map(len, cases), default=4)
    lines = [f"{'rule':<{width}}  cases  right  as AWS"]
    for group, count in sorted(cases.items(), key=lambda item: (item[0].startswith("("), -item[1], item[0])):
        aws = str(recorded[group]) if recorded[group] else ""
        lines.append(f"{group:<{width}}  {count:>5}  {right[group]:>5}  {aws:>6}")
    return "\n".join(lines)


def named(outcome: Outcome) -> str:
    """One line about an entry that is judged wrong."""
    entry = outcome.entry
    about = entry.get("reason") or entry.get("path", "")
    said = "; ".join(f"{e.rule} {e.message} at {e.location}" for e in outcome.errors[:3])
    known = entry.get("aws")
    wanted = f" | AWS: {known['code']} {known['message']} at {known.get('location')}" if known else ""
    return f"{outcome.wrong}: {entry['file']} ({about}){f': {said}' if said else ''}{wanted}"


def _page(outcomes: list[Outcome]) -> str:
    """The page with the figures of these outcomes; like the other tools' they leave out what only Express refuses."""
    refused = sum(o.wrong == "false alarm" for o in outcomes if o.entry["verdict"] == "valid")
    accepted = sum(o.wrong == "miss" for o in outcomes if o.entry.get("machine_type") != "EXPRESS")
    seconds = sorted(o.seconds for o in outcomes)
    return page(refused, accepted, 1000 * sum(seconds) / max(1, len(seconds)))


def main(arguments: list[str] | None = None) -> int:
    """Judge, print, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.definitions", description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write the page about validation with these figures")
    options = parser.parse_args(arguments)
    try:
        outcomes = [outcome for index in corpora(options.folders) for outcome in judge(index)]
    except (FileNotFoundError, msgspec.DecodeError, KeyError) as error:
        print(f"error: {error!r}", file=sys.stderr)
        return 2
    if options.page:
        options.page.write_text(_page(outcomes), encoding="utf-8")
    print(table(outcomes))
    wrong = [outcome for outcome in outcomes if outcome.wrong]
    for outcome in wrong:
        print(named(outcome))
    print(f"{len(outcomes) - len(wrong)} passed, {len(wrong)} failed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
