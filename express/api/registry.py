"""The state machines this server knows: resolved from ARNs, compiled once per revision, changed one at a time."""

from __future__ import annotations

import asyncio
import random
import re
from collections import OrderedDict
from collections.abc import Callable

import msgspec

from express.api.arns import Arn, parse_arn
from express.api.errors import does_not_exist, resource_not_found
from express.compiler import compile_definition
from express.engine import Program
from express.stores.records import Activity, Alias, Machine, Revision, Store, Version
from express.values import JSON

LOADED_REVISIONS = 512
"""Revisions kept compiled; the least used ones are read and compiled again when they are wanted."""

_NUMBER = re.compile(r"[1-9][0-9]{0,9}")


class Target(msgspec.Struct, frozen=True):
    """The target of a state machine's ARN: a revision, and how it was chosen."""

    machine: Machine
    revision: Revision
    version: Version | None = None
    alias: Alias | None = None

    @property
    def version_arn(self) -> str | None:
        """The version that was asked for, by number or through an alias."""
        return None if self.version is None else f"{self.machine.arn}:{self.version.number}"

    @property
    def alias_arn(self) -> str | None:
        """The alias that was asked for."""
        return None if self.alias is None else f"{self.machine.arn}:{self.alias.name}"

    @property
    def include_data(self) -> bool:
        """`includeExecutionData` of the logging configuration."""
        return bool((self.revision.logging or {}).get("includeExecutionData"))

    @property
    def log_level(self) -> str:
        """`level` of the logging configuration."""
        level: str = (self.revision.logging or {}).get("level", "OFF")
        return level


class Registry:
    """Everything in the store, by ARN. `prefix` begins the ARNs: `arn:aws:states:REGION:ACCOUNT`."""

    def __init__(self, store: Store, prefix: str, chance: Callable[[], float] = random.random) -> None:
        self.prefix = prefix
        self.changing = asyncio.Lock()
        """Held by whoever reads, decides and writes."""
        self._store = store
        self._chance = chance
        self.machines: dict[str, Machine] = {}
        self.activities: dict[str, Activity] = {}
        self._revisions: OrderedDict[tuple[str, str], Revision] = OrderedDict()
        self._programs: OrderedDict[tuple[str, str], Program] = OrderedDict()

    async def open(self) -> None:
        """Read the store."""
        contents = await self._store.open()
        self.machines = {machine.arn: machine for machine in contents.machines}
        self.activities = {activity.arn: activity for activity in contents.activities}

    async def close(self) -> None:
        """Let go of the store."""
        await self._store.close()

    # State machines ------------------------------------------------------------------------------------

    def machine(self, arn: Arn) -> Machine:
        """The machine of an ARN, whatever its version or alias. Raises StateMachineDoesNotExist."""
        machine = self.machines.get(arn.machine) if arn.label is None else None
        if machine is None:
            raise does_not_exist("StateMachine", arn.text)
        return machine

    async def target(self, text: str) -> Target:
        """Return what an ARN of a state machine, version or alias runs. Raises ApiError.

        An alias with two routes gives one of them, by chance and weight.
        """
        machine = self.machines.get(text)  # the frequent case: an ARN as it was given out
        if machine is not None:
            return Target(machine, await self.revision(machine, machine.revision))
        arn = parse_arn(text, "stateMachine")
        machine = self.machine(arn)
        alias, version = self._qualified(machine, arn)
        return Target(machine, await self.revision(machine, version.revision), version, alias)

    def _qualified(self, machine: Machine, arn: Arn) -> tuple[Alias | None, Version]:
        qualifier = arn.qualifier or ""
        alias = None
        number = int(qualifier) if _NUMBER.fullmatch(qualifier) else 0
        if not number:
            alias = machine.aliases.get(qualifier)
            if alias is not None:
                number = self._route(alias)
        version = machine.version(number)
        if version is None or len(arn.rest) != 1:
            raise does_not_exist("StateMachine", arn.text)
        return alias, version

    def _route(self, alias: Alias) -> int:
        first = alias.routes[0]
        if len(alias.routes) == 1 or self._chance() * 100 < first.weight:
            return first.version
        return alias.routes[1].version

    async def revision(self, machine: Machine, id_: str) -> Revision:
        """A revision of a machine."""
        key = (machine.arn, id_)
        revision = self._revisions.get(key)
        if revision is None:
            revision = await self._store.revision(*key)
            if revision is None:
                raise does_not_exist("StateMachine", machine.arn)
            _keep(self._revisions, key, revision)
        return revision

    def program(self, target: Target) -> Program:
        """The compiled revision. Raises DefinitionError for what this version of express can't run."""
        key = (target.machine.arn, target.revision.id)
        program = self._programs.get(key)
        if program is None:
            program = compile_definition(target.revision.definition, type=target.machine.type)
            _keep(self._programs, key, program)
        return program

    async def put(self, machine: Machine, revision: Revision | None = None) -> None:
        """Store a machine as it is from now on. `changing` is held."""
        await self._store.put_machine(machine, revision)
        self.machines[machine.arn] = machine
        if revision is not None:
            _keep(self._revisions, (machine.arn, revision.id), revision)

    async def delete(self, machine: Machine) -> None:
        """Forget a machine. `changing` is held; what runs already has its program."""
        await self._store.delete_machine(machine.arn)
        self.machines.pop(machine.arn, None)
        for held in (self._revisions, self._programs):
            for key in [key for key in held if key[0] == machine.arn]:
                del held[key]

    # Activities and tags -------------------------------------------------------------------------------

    async def put_activity(self, activity: Activity) -> None:
        """Store an activity as it is from now on. `changing` is held."""
        await self._store.put_activity(activity)
        self.activities[activity.arn] = activity

    async def delete_activity(self, arn: str) -> None:
        """Forget an activity. `changing` is held."""
        await self._store.delete_activity(arn)
        self.activities.pop(arn, None)

    def tagged(self, text: str) -> Machine | Activity:
        """Return what may have tags: a machine without version or alias, or an activity. Raises ApiError."""
        arn = parse_arn(text, "stateMachine", "activity")
        found = self.machines.get(text) if arn.kind == "stateMachine" else self.activities.get(text)
        if found is None:
            raise resource_not_found(text)
        return found

    async def put_tags(self, owner: Machine | Activity, tags: dict[str, str]) -> None:
        """Store the tags of a machine or activity. `changing` is held."""
        changed = msgspec.structs.replace(owner, tags=tags)
        if isinstance(changed, Machine):
            await self.put(changed)
        else:
            await self.put_activity(changed)


def _keep(held: OrderedDict[tuple[str, str], JSON], key: tuple[str, str], value: JSON) -> None:
    held[key] = value
    held.move_to_end(key)
    while len(held) > LOADED_REVISIONS:
        held.popitem(last=False)
