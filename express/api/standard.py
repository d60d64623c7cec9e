"""Standard executions as the API sees them: started once, found in the journal, shown as AWS shows them."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Any

import msgspec

from express.api.arns import Arn, check_name, parse_arn
from express.api.errors import already_exists, deleting, does_not_exist
from express.api.executions import Request
from express.api.history import history_event
from express.api.ids import uuid4_text
from express.api.registry import Registry, Target
from express.api.responses import milliseconds
from express.api.tokens import HEAVY, PAGE, Pages
from express.engine import About
from express.engine.turns import decode_events
from express.errors import ApiError, StoreError
from express.ports import Clock
from express.ports.journal import Begun, Listed, Redriven, Stored
from express.runtime.standard.host import StandardHost
from express.runtime.standard.live import MOST_REDRIVEN, Revision
from express.runtime.standard.retention import DAY, FORGOTTEN_AT_ONCE
from express.runtime.standard.tokens import StandardTokens
from express.stores.records import Machine
from express.telemetry.execution_log.events import CAUSE_LENGTH, ERROR_LENGTH, LoggedEvents, clipped
from express.values import JSON, equal, loads

TURNS = 200
"""Turns of a history that are read in one go."""

REDRIVABLE = 14 * DAY
"""Seconds after its end in which an execution can be redriven (Step Functions Developer Guide, "Redriving")."""

TOKEN_SECONDS = 900.0
"""Seconds for which a caller's token makes a redrive idempotent (Step Functions API Reference, "RedriveExecution")."""

_REDRIVEN = ("NOT_REDRIVEN", "REDRIVEN")

LOOKED_AT = 10_000
"""Executions that one page of a list looks at, at most."""


class StandardExecutions:
    """The Standard executions of a server."""

    def __init__(self, registry: Registry, host: StandardHost, tokens: StandardTokens, clock: Clock) -> None:
        self._registry = registry
        self._clock = clock
        self._deleting: set[asyncio.Task[None]] = set()
        self.host = host
        self.tokens = tokens

    async def open(self) -> None:
        """Open the journal and go on with what it has. Raises StoreError."""
        await self.host.open()

        for machine in list(self._registry.machines.values()):
            if machine.deleting:
                await self.delete(machine)

    async def close(self) -> None:
        """Let go of the journal."""
        await asyncio.gather(*self._deleting, return_exceptions=True)
        await self.host.close()

    async def delete(self, machine: Machine) -> None:
        """Delete a machine with its executions, or note that it is to be once the last of those is over."""
        async with self._registry.changing:
            found = self._registry.machines.get(machine.arn)
            if found is None:
                return
            if await self.host.journal.running(machine.arn):
                if not found.deleting:
                    await self._registry.put(msgspec.structs.replace(found, deleting=True))
                return
            while await self.host.journal.forget(math.inf, FORGOTTEN_AT_ONCE, machine.arn):
                pass
            await self._registry.delete(found)

    def ended(self, machine_arn: str) -> None:
        """Delete a machine that waits for that, if this was its last execution."""
        machine = self._registry.machines.get(machine_arn)
        if machine is not None and machine.deleting:
            task = asyncio.get_running_loop().create_task(self.delete(machine))
            self._deleting.add(task)
            task.add_done_callback(self._deleting.discard)

    async def revision(self, begun: Begun) -> Revision:
        """The revision that an execution runs on. Raises ApiError and DefinitionError."""
        machine = self._registry.machines.get(begun.machine)
        if machine is None:
            raise does_not_exist("StateMachine", begun.machine)
        target = Target(machine, await self._registry.revision(machine, begun.revision))
        stored = await self.host.journal.find(begun.machine, begun.name)
        about = self._about(target, begun.name, begun.started)
        if stored is not None and stored.redrives:
            about = msgspec.structs.replace(about, redrive_count=stored.redrives, redriven=stored.redriven)
        return Revision(self._registry.program(target), about)

    def _about(self, target: Target, name: str, started: float) -> About:
        machine = target.machine
        return About(
            execution_arn=self.arn(machine.name, name),
            name=name,
            role_arn=target.revision.role_arn,
            state_machine_arn=machine.arn,
            state_machine_name=machine.name,
            started=started,
        )

    def arn(self, machine: str, name: str) -> str:
        """The ARN of an execution."""
        return f"{self._registry.prefix}:execution:{machine}:{name}"

    # Starting ----------------------------------------------------------------------------------------

    async def start(self, request: Request) -> tuple[str, float]:
        """Start an execution, once for a name and an input: its ARN and when it was started. Raises ApiError."""
        name = request.name or uuid4_text()
        check_name(name)
        if self.host.is_full:
            raise ApiError("ExecutionLimitExceeded", "The server has as many executions under way as it can")
        target = request.target
        if target.machine.deleting:
            raise deleting(target.machine.arn)
        begun = Begun(
            machine=target.machine.arn,
            name=name,
            revision=target.revision.id,
            version_arn=target.version_arn,
            alias_arn=target.alias_arn,
            started=self._clock.wall(),
            input=request.text,
            trace_header=request.trace_header,
        )
        about = self._about(target, name, begun.started)
        if await self.host.start(begun, Revision(self._registry.program(target), about)):
            return about.execution_arn, begun.started
        first = await self.host.journal.find(begun.machine, name)
        if first is None or first.ended is not None or not equal(loads(first.begun.input), request.data):
            raise already_exists("Execution", about.execution_arn)
        return about.execution_arn, first.begun.started

    # Looking -----------------------------------------------------------------------------------------

    async def find(self, text: str) -> Stored:
        """The execution of an ARN. Raises ApiError."""
        arn = parse_arn(text, "execution")
        stored = None
        if len(arn.rest) == 1 and arn.label is None:
            stored = await self.host.journal.find(f"{self._registry.prefix}:stateMachine:{arn.name}", arn.rest[0])
        if stored is None or self.arn(arn.name, arn.rest[0]) != text:
            raise does_not_exist("Execution", text)
        return stored

    async def target(self, stored: Stored) -> Target:
        """The machine and the revision of an execution. Raises ApiError."""
        machine = self._registry.machines.get(stored.begun.machine)
        if machine is None:
            raise does_not_exist("Execution", self._arn_of(stored))
        return Target(machine, await self._registry.revision(machine, stored.begun.revision))

    def _arn_of(self, stored: Stored) -> str:
        return self.arn(stored.begun.machine.rpartition(":")[2], stored.begun.name)

    def described(self, stored: Stored, *, include_data: bool) -> dict[str, JSON]:
        """Return what DescribeExecution tells of an execution."""
        begun, end = stored.begun, stored.ended
        status = "RUNNING" if end is None else end.status
        members: dict[str, Any] = {
            "executionArn": self._arn_of(stored),
            "stateMachineArn": begun.machine,
            "name": begun.name,
            "status": status,
            "startDate": milliseconds(begun.started),
            "stopDate": None if end is None else milliseconds(end.stopped),
            "traceHeader": begun.trace_header,
            "stateMachineVersionArn": begun.version_arn,
            "stateMachineAliasArn": begun.alias_arn,
            "redriveCount": stored.redrives,
            "redriveDate": None if stored.redriven is None else milliseconds(stored.redriven),
            **self._redrivable(stored),
        }
        if end is not None and status in ("FAILED", "ABORTED"):  # AWS tells neither for one that has timed out
            error, cause = end.error, end.cause
            members["error"] = None if error is None else clipped(error, ERROR_LENGTH)
            members["cause"] = None if cause is None else clipped(cause, CAUSE_LENGTH)
        if include_data:
            members |= {"input": begun.input, "inputDetails": {"included": True}}
            if end is not None and end.output is not None:
                members |= {"output": end.output, "outputDetails": {"included": True}}
        return _present(members)

    def _redrivable(self, stored: Stored) -> dict[str, JSON]:
        """Return whether an execution can be redriven, and why not."""
        reason = self.not_redrivable(stored)
        if reason is None:
            return {"redriveStatus": "REDRIVABLE"}
        return {"redriveStatus": "NOT_REDRIVABLE", "redriveStatusReason": reason}

    def not_redrivable(self, stored: Stored) -> str | None:
        """The reason for which an execution can't be redriven; None: it can."""
        status = "RUNNING" if stored.ended is None else stored.ended.status
        if stored.ended is None or status == "SUCCEEDED":
            return f"Execution is {status} and cannot be redriven"
        machine = self._registry.machines.get(stored.begun.machine)
        if machine is None or machine.deleting:
            return "The state machine of the execution does not exist and it cannot be redriven"
        if stored.ended.stopped < self._clock.wall() - REDRIVABLE:
            return "Execution was closed more than 14 days ago and cannot be redriven"
        if not stored.redrivable:
            return f"Execution has {MOST_REDRIVEN} events or more and cannot be redriven"
        return None

    async def listed(self, machine: Machine, arn: Arn, request: dict[str, JSON], pages: Pages) -> dict[str, JSON]:
        """One page of a machine's executions, newest first. Raises ApiError."""
        status, wanted = request.get("statusFilter"), request.get("maxResults") or PAGE
        before = pages.position("ListExecutions", request)
        chosen: list[Listed] = []
        looked = 0
        while True:
            room = wanted - len(chosen) + 1
            rows = await self.host.journal.listed(
                machine.arn, [] if status is None else [status], None if before is None else tuple(before), room
            )
            looked += len(rows)
            for row in rows:
                before = [row.started, row.id]
                if _is_of(row, arn) and request.get("redriveFilter") in (None, _REDRIVEN[row.redrives > 0]):
                    chosen.append(row)
            if len(rows) < room:
                more: dict[str, JSON] = {}
                break
            if len(chosen) > wanted or looked >= LOOKED_AT:
                chosen, last = chosen[:wanted], before
                if len(chosen) == wanted:
                    last = [chosen[-1].started, chosen[-1].id]
                more = {"nextToken": pages.token(last, "ListExecutions", request)}
                break
        return {"executions": [self._item(machine, row) for row in chosen], **more}

    def _item(self, machine: Machine, row: Listed) -> dict[str, JSON]:
        return _present(
            {
                "executionArn": self.arn(machine.name, row.name),
                "stateMachineArn": machine.arn,
                "name": row.name,
                "status": row.status,
                "startDate": milliseconds(row.started),
                "stopDate": None if row.stopped is None else milliseconds(row.stopped),
                "stateMachineVersionArn": row.version_arn,
                "stateMachineAliasArn": row.alias_arn,
                "redriveCount": row.redrives,
                "redriveDate": None if row.redriven is None else milliseconds(row.redriven),
            }
        )

    async def history(self, stored: Stored, request: dict[str, JSON], pages: Pages) -> dict[str, JSON]:
        """One page of an execution's events. Raises ApiError."""
        backwards, wanted = bool(request.get("reverseOrder")), request.get("maxResults") or PAGE
        include = request.get("includeExecutionData", True)
        after = pages.position("GetExecutionHistory", request)
        start = after if after is not None else 1 << 62 if backwards else 1
        data = loads(stored.begun.input)
        about = About(execution_arn=self._arn_of(stored))
        events: list[dict[str, JSON]] = []
        room = HEAVY
        while True:
            turns = await self.host.journal.history(stored.id, start, TURNS, backwards=backwards)
            read = [event for turn in turns for event in _in_order(decode_events(turn, data), backwards)]
            for event in read:
                if (event[0] > start) if backwards else (event[0] < start):
                    continue
                if len(events) == wanted or room <= 0:
                    return {
                        "events": events,
                        "nextToken": pages.token(event[0], "GetExecutionHistory", request),
                    }
                (shown,) = LoggedEvents(about, 0.0, [event], include_data=True)
                events.append(history_event(shown, include_data=include))
                room -= sum(len(value) for value in shown["details"].values() if type(value) is str)
            if len(turns) < TURNS:
                return {"events": events}
            start = read[-1][0] + (-1 if backwards else 1)

    # Acting ------------------------------------------------------------------------------------------

    async def stop(self, stored: Stored, error: str | None, cause: str | None) -> float:
        """End an execution; when it has ended. Raises ApiError."""
        if stored.ended is None:
            await self.host.stop(stored.id, error, cause)
            again = await self.host.journal.load(stored.id)
            assert again is not None, "it was there a moment ago"
            stored = again
        if stored.ended is None:
            raise StoreError(f"the execution is held: {self.host.held.get(stored.id)}")
        return stored.ended.stopped

    async def redrive(self, stored: Stored, token: str | None) -> float:
        """Run an execution again from the states that did not succeed; when that was. Raises ApiError."""
        now = self._clock.wall()
        if token is not None:
            before = await self.host.journal.redriven(stored.id, token, now - TOKEN_SECONDS)
            if before is not None:
                return before
        reason = self.not_redrivable(stored)
        if reason is not None:
            raise ApiError("ExecutionNotRedrivable", reason)
        if self.host.is_full:
            raise ApiError("ExecutionLimitExceeded", "The server has as many executions under way as it can")
        redriven = Redriven(count=stored.redrives + 1, at=now, token=token)
        revision = await self.revision(stored.begun)
        about = msgspec.structs.replace(revision.about, redrive_count=redriven.count, redriven=now)
        if not await self.host.redrive(stored, Revision(revision.program, about), redriven):
            raise ApiError("ExecutionNotRedrivable", "Execution is RUNNING and cannot be redriven")
        return now


def _in_order(events: Sequence[Any], backwards: bool) -> Sequence[Any]:
    return events[::-1] if backwards else events


def _is_of(row: Listed, arn: Arn) -> bool:
    return not arn.rest or arn.text in (row.version_arn, row.alias_arn)


def _present(members: dict[str, Any]) -> dict[str, JSON]:
    return {name: value for name, value in members.items() if value is not None}
