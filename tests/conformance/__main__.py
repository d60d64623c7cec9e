"""`python -m tests.conformance DIR…`: run every case below the folders and say what passes.

Exit code 0 if all that was asked for passed, 1 if something failed, 2 for a wrong call.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

import msgspec

from .cases import Case, load
from .kinds import LINKINGS, ask
from .outcome import LEVELS, Outcome
from .report import Deviation, markdown, text_table

DEVIATIONS = Path(__file__).parent / "deviations.json"


def main(arguments: list[str] | None = None) -> int:
    """Run, print, and return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        cases = [case for case in load(options.folders) if _wanted(case, options)]
    except (FileNotFoundError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    linkings = LINKINGS if options.linking == "all" else (options.linking,)
    codes = [_put(cases, linking, options, last=linking == linkings[-1]) for linking in linkings]
    return max(codes)


def _put(cases: list[Case], linking: str, options: argparse.Namespace, *, last: bool) -> int:
    """Ask every case under one linking. Only the last run writes files."""
    outcomes = [ask(case, linking) for case in cases]
    print(f"{linking}\n{text_table(outcomes)}")
    _show(outcomes, options.level, options.show)
    if not last:
        return _summary(outcomes, options.level)
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(outcomes), indent=1))
    if options.table:
        options.table.write_text(markdown(outcomes, known_deviations()), encoding="utf-8")
    return _summary(outcomes, options.level)


def known_deviations() -> list[Deviation]:
    """The listed deviations, each with its reason."""
    return msgspec.json.decode(DEVIATIONS.read_bytes(), type=list[Deviation])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR", help="folders or files with cases")
    parser.add_argument("--level", choices=LEVELS, default="cause", help="how finely to compare (default: cause)")
    linkings = (*LINKINGS, "all")
    parser.add_argument("--linking", choices=linkings, default="segments", help="how to run (default: segments)")
    parser.add_argument("--area", action="append", metavar="A", help="only this area; may be repeated")
    parser.add_argument("--kind", action="append", metavar="K", help="only this kind of case; may be repeated")
    parser.add_argument("--id", metavar="SUBSTR", help="only cases whose id holds this text (or matches this pattern)")
    parser.add_argument("--show", type=int, default=0, metavar="N", help="print the first N failures and why")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every outcome to FILE")
    parser.add_argument("--table", type=Path, metavar="FILE", help="write the parity tables to FILE (Markdown)")
    return parser


def _wanted(case: Case, options: argparse.Namespace) -> bool:
    if options.area and case.area not in options.area:
        return False
    if options.kind and case.kind not in options.kind:
        return False
    return not options.id or options.id in case.id or re.search(options.id, case.id) is not None


def _show(outcomes: list[Outcome], level: str, count: int) -> None:
    failing = [(outcome, wrong) for outcome in outcomes if (wrong := outcome.first_wrong(level)) is not None]
    for outcome, wrong in failing[:count]:
        print(f"\nFAILED {outcome.area}: {outcome.id}\n  {wrong}")


def _summary(outcomes: list[Outcome], level: str) -> int:
    waiting = sum(outcome.not_yet is not None for outcome in outcomes)
    passed = sum(outcome.passed(level) for outcome in outcomes)
    failed = len(outcomes) - waiting - passed
    print(f"\nlevel {level}; {waiting} not yet")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not outcomes else 0


if __name__ == "__main__":
    sys.exit(main())
