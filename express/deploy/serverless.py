"""State machines of a `serverless.yml`: those below `stepFunctions.stateMachines`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping

from express.deploy.cloudformation import Stack
from express.deploy.files import Files
from express.deploy.machines import Machine, guarded, logging_of
from express.deploy.nodes import Node, TemplateError, Unseen
from express.deploy.serverless_variables import Variables

_NAMES = re.compile(r"#\{([^{}]+)\}")
_LOGICAL = {"-": "Dash", "_": "Underscore"}


def of_serverless(root: Node, files: Files, given: Mapping[str, str], only: str | None) -> Iterator[Machine]:
    """The state machines of a service; `only` is the key, id or name of the one that is wanted."""
    service = _Service(root, files, given)
    for key, written in service.section("stepFunctions.stateMachines").items():
        service.stack.begin()
        machine = guarded(key, written, lambda: service.machine(key, written))  # noqa: B023 # called at once
        if only in (None, key, machine.name):
            yield machine


class _Service:
    def __init__(self, root: Node, files: Files, given: Mapping[str, str]) -> None:
        self.variables = Variables(root, files, given, os.environ)
        self.budget = files.budget
        rows = {**self._written(), **self._functions(root), **self._machines(root)}
        self.stack = Stack(root.holding({"Resources": root.holding(rows)}), given, files.budget)

    def section(self, dotted: str) -> dict[str, Node]:
        """The members of an object of the service, or of several in a list."""
        found = self.variables.field(dotted)
        if found is None or (found.members is None and found.value is None):
            return {}
        if found.unknown and found.members is None:
            reasons = [self.variables.reasons.get(name, f"${{{name}}} is not known here") for name in found.unknown]
            found.fail(f"{dotted} can't be read: {'; '.join(reasons)}")
        parts = [self.variables.value(item) for item in found.items] if type(found.members) is list else [found]
        for part in parts:
            if type(part.members) is not dict:
                part.fail(f"{dotted} is {part.kind}, not an object")
        return {name: item for part in parts for name, item in part.fields.items()}

    def _optional(self, dotted: str) -> dict[str, Node]:
        try:
            return self.section(dotted)
        except TemplateError:
            self.budget.depth = 0
            return {}

    def _written(self) -> dict[str, Node]:
        """The resources that a service writes in CloudFormation."""
        try:
            found = self.variables.field("resources")
        except TemplateError:
            self.budget.depth = 0
            return {}
        parts = [self.variables.value(item) for item in found.items] if found is not None and found.items else [found]
        rows: dict[str, Node] = {}
        for part in parts:
            inner = part.fields.get("Resources") if part is not None else None
            inner = self.variables.value(inner) if inner is not None else None
            for name, row in inner.fields.items() if inner is not None else ():
                rows[name] = self.variables.whole(row)
        return rows

    def _functions(self, root: Node) -> dict[str, Node]:
        """Functions by key, as definitions name them, and by logical id."""
        rows: dict[str, Node] = {}
        for key, row in self._optional("functions").items():
            named = self._text(row, "name") or row.like(key)
            made = _resource(row, "AWS::Lambda::Function", "FunctionName", named)
            rows |= {key: made, f"{_logical(key)}LambdaFunction": made}
        return rows

    def _machines(self, root: Node) -> dict[str, Node]:
        """Machines and activities of the section by logical id."""
        rows: dict[str, Node] = {}
        for key, row in self.section("stepFunctions.stateMachines").items():
            named = self._text(row, "name") or row.like(key)
            made = _resource(row, "AWS::StepFunctions::StateMachine", "StateMachineName", named)
            own = self._text(row, "id")
            logical = own.text or "" if own is not None else f"{_logical(named.text or key)}"
            rows |= {logical: made, f"{_logical(key)}StepFunctionsStateMachine": made}
        return rows

    def _text(self, row: Node, name: str) -> Node | None:
        """A member that is a text; None where it is not there, or is something else."""
        inner = self.variables.value(row).fields.get(name)
        found = self.variables.value(inner) if inner is not None else None
        return found if found is not None and found.text else None

    def machine(self, key: str, written: Node) -> Machine:
        """One of them."""
        row = self.variables.value(written)
        if row.unknown and row.members is None:
            raise Unseen(self._why(row))
        if type(row.members) is not dict:
            row.fail(f"{key} is {row.kind}, not an object")
        name = self._text(row, "name") or self._text(row, "id") or row.like(key)
        kind = self._text(row, "type") or row.like("STANDARD")
        role = row.fields.get("role")
        resolved = self.stack.whole(self.variables.whole(role)) if role is not None else None
        logging = row.fields.get("loggingConfig")
        if "definition" not in row.fields:
            row.fail(f"{key} has no definition")
        body = self.variables.whole(row.fields["definition"])
        if body.unknown and body.members is None:
            raise Unseen(self._why(body))
        if body.text is None and type(body.members) is not dict:
            body.fail(f"a definition is an object or a text, and this is {body.kind}")
        body = self.stack.resolve(self._named(body))
        return Machine(
            name=name.text or key,
            at=body,
            body=body,
            type=None if kind.unknown else (kind.text or "").upper(),
            role=resolved.text if resolved is not None and not resolved.unknown else None,
            logging=None if logging is None else logging_of(self.variables.whole(logging), self.stack),
            unknown=body.unknown | name.unknown | kind.unknown,
        )

    def _why(self, node: Node) -> str:
        names = sorted(node.unknown)
        return "; ".join(self.variables.reasons.get(name, f"its definition hangs on ${{{name}}}") for name in names)

    def _named(self, node: Node) -> Node:
        """A definition with `#{Name}` and `#{Name.Attribute}` filled in, as `Fn::Sub` would."""
        self.budget.take(node)
        if node.text is not None:
            if "#{" not in node.text:
                return node
            return self.stack.woven(node, _NAMES, lambda name: self.stack.reference(node, name))
        if node.members is None:
            return node
        self.budget.deeper(node)
        if type(node.members) is list:
            found = node.holding([self._named(item) for item in node.items])
        else:
            found = node.holding({name: self._named(item).named(item.key) for name, item in node.fields.items()})
        self.budget.depth -= 1
        return found


def _resource(at: Node, kind: str, property_: str, name: Node) -> Node:
    return at.holding({"Type": at.like(kind), "Properties": at.holding({property_: name})})


def _logical(key: str) -> str:
    """A key as the framework makes a logical id of it.

    >>> _logical("my-func_1")
    'MyDashfuncUnderscore1'
    """
    named = "".join(_LOGICAL.get(char, char) for char in key)
    return named[:1].upper() + named[1:]
