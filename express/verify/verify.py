"""Reads everything a pipeline has read, written and committed, and says whether anything is missing or doubled.

The order of reading makes the answer right while the pipeline runs: commits first, then where the output ends, then
where the input ends. What was committed then has its terminal record within those ends, and each terminal record
its input.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from express.config import Config
from express.config import Pipeline as PipelineConfig
from express.kafka.survey import Range, Survey
from express.ports import Partition
from express.verify.audit import Audit, Findings, Ordering


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """The topics to verify. Without a `group`, all input has to be finished."""

    name: str
    inputs: list[str]
    output: str
    dead_letters: str = ""
    group: str = ""
    ordering: Ordering = "key"

    @property
    def written(self) -> list[str]:
        """Return where terminal records are; dead letters last, since order is checked among results."""
        return [self.output, self.dead_letters] if self.dead_letters else [self.output]


class Verdict(msgspec.Struct, kw_only=True):
    """The outcome. `ok` is the answer; all else says why."""

    name: str
    ok: bool
    reasons: list[str]
    totals: dict[str, int]
    strangers: int
    partitions: list[Findings]


SUMMED = (
    *("records", "results", "dead_letters", "duplicates", "lost", "open", "unknown"),
    *("gone", "phantoms", "mismatched", "renamed", "disordered", "ahead"),
)
"""Fields of Findings that add up."""

MEANINGS = {
    "lost": "have no terminal record",
    "phantoms": "terminal records name an input that never was",
    "mismatched": "terminal records do not match their input",
    "renamed": "duplicates have another execution ARN",
    "disordered": "results came before one of an earlier record with the same key",
    "ahead": "offsets are committed beyond the end of the input",
    "duplicates": "terminal records too many",
}
"""Sentences for the kinds of findings."""


def target_of(config: Config, pipeline: PipelineConfig) -> Target:
    """The topics and the group of a configured pipeline."""
    return Target(
        name=pipeline.name,
        inputs=list(pipeline.topics),
        output=pipeline.output,
        dead_letters=pipeline.dead_letter,
        group=config.group_of(pipeline),
        ordering=pipeline.ordering,
    )


async def verify(
    properties: Mapping[str, Any], target: Target, *, exactly_once: bool = False, drained: bool = False
) -> Verdict:
    """Read it all and judge. `drained`: nothing may be left open. Raises SourceError."""
    async with Survey(properties) as survey:
        committed = await survey.committed(target.group) if target.group else None
        outputs = {topic: await survey.settled([topic]) for topic in target.written}
        inputs = await survey.bounds(target.inputs)
        compacted = await survey.compacted([*target.inputs, *target.written])
        forgetful = bool(compacted.intersection(target.written)) or any(map(_is_cut, outputs.values()))
        audit = Audit(inputs, target.ordering, compacted=compacted, forgetful=forgetful)
        async for at, records in survey.read(inputs):
            audit.add_input(at, records)
        for ranges in outputs.values():
            async for _, records in survey.read(ranges):
                audit.add_output(records)
    strict = {"duplicates"} if exactly_once else set()
    return judge(target.name, audit.conclude(committed), audit.strangers, strict | ({"open"} if drained else set()))


def judge(name: str, partitions: Sequence[Findings], strangers: int, strict: set[str]) -> Verdict:
    """The verdict over all partitions; `strict` names what else must not be: duplicates, open."""
    totals = {field: sum(getattr(findings, field) for findings in partitions) for field in SUMMED}
    wrong = {kind: totals[kind] for kind in MEANINGS if kind != "duplicates" or kind in strict}
    if "open" in strict:
        wrong["lost"] += totals["open"]
    reasons = [f"{count:,} {_subject(kind)}{MEANINGS[kind]}" for kind, count in wrong.items() if count]
    return Verdict(
        name=name, ok=not reasons, reasons=reasons, totals=totals, strangers=strangers, partitions=list(partitions)
    )


def _subject(kind: str) -> str:
    return "input records " if kind == "lost" else ""


def _is_cut(ranges: Mapping[Partition, Range]) -> bool:
    """Return whether a topic has forgotten its beginning."""
    return any(first > 0 for first, _ in ranges.values())
