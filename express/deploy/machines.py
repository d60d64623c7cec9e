"""State machines of a template of CloudFormation, SAM or CDK: where each definition is, and what fills it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from express.deploy.cloudformation import Stack
from express.deploy.files import Files, is_yaml
from express.deploy.nodes import Node, TemplateError, Unseen, as_text
from express.values import JSON

MACHINES = ("AWS::StepFunctions::StateMachine", "AWS::Serverless::StateMachine")
PLACEHOLDER = re.compile(r"\$\{([^{}]+)\}")
KEPT = ("DefinitionString", "Definition", "DefinitionUri", "DefinitionS3Location")
"""Properties that hold a definition, or say where it is."""


class Machine(NamedTuple):
    """A state machine as a file has it.

    `body` is its definition: an object, or a text in JSON (`yaml`: in YAML), with whatever is unknown left as
    `${NAME}`. It is None where there is none to be seen, and `unseen` says why, or `error` what is wrong; `at` is
    where it is written. `type` and `role` are None where the file does not say.
    """

    name: str
    at: Node
    body: Node | None = None
    yaml: bool = False
    type: str | None = None
    role: str | None = None
    logging: dict[str, JSON] | None = None
    unseen: str = ""
    error: TemplateError | None = None
    unknown: frozenset[str] = frozenset()

    @property
    def left(self) -> list[str]:
        """The names of what looks like a placeholder and is left as it stands, since no substitution names it."""
        texts = [node for node in self.body.walk() if node.text is not None] if self.body is not None else []
        found = ((node, match) for node in texts for match in PLACEHOLDER.finditer(node.text or ""))
        return sorted({match[1] for node, match in found if node.is_written(match.start())} - self.unknown)


def guarded(name: str, at: Node, made: Callable[[], Machine]) -> Machine:
    """A machine, or what keeps it from being read."""
    try:
        return made()
    except Unseen as unseen:
        return Machine(name, at, unseen=str(unseen))
    except TemplateError as error:
        return Machine(name, at, error=error)


def of_stack(
    template: Node, files: Files, given: Mapping[str, str], only: str | None, assets: str, *, second: bool = False
) -> Iterator[Machine]:
    """The state machines of a template; `only` is the logical id or name of the one that is wanted.

    `second` as in Stack.
    """
    resources = template.fields["Resources"]
    if type(resources.members) is not dict:
        resources.fail(f"Resources is {resources.kind}, not an object")
    stack = Stack(template, given, files.budget, second=second)
    stack.begin()
    for logical_id, row in stack.resources.rows().items():
        kind = row.fields.get("Type")
        if kind is None or kind.text not in MACHINES:
            continue
        stack.begin()
        reader = _Row(stack, files, logical_id, row, assets)
        machine = guarded(logical_id, row, lambda: reader.read(only))  # noqa: B023 # called at once
        if only in (None, logical_id, machine.name):
            yield machine


class _Row:
    """One resource that is a state machine."""

    def __init__(self, stack: Stack, files: Files, logical_id: str, row: Node, assets: str) -> None:
        self.stack = stack
        self.files = files
        self.id = logical_id
        self.row = row
        self.assets = assets
        written = row.fields.get("Properties")
        if written is not None and type(written.members) is not dict:
            written.fail(f"Properties is {written.kind}, not an object")
        self.properties = written.fields if written is not None else {}

    def read(self, only: str | None) -> Machine:
        """The machine; one that is not `only` has no definition."""
        name = self._text("StateMachineName", "Name") or self.row.like(self.id)
        found = Machine(name.text or self.id, self.row)
        if only not in (None, self.id, found.name):
            return found
        kind = self._text("StateMachineType", "Type") or self.row.like("STANDARD")
        role = self._text("RoleArn", "Role")
        logging = self._first("LoggingConfiguration", "Logging")
        found = found._replace(
            type=None if kind.unknown else kind.text,
            role=None if role is None or role.unknown else role.text,
            logging=None if logging is None else logging_of(logging, self.stack),
        )
        try:
            body, yaml = self._definition()
        except Unseen as unseen:
            return found._replace(unseen=str(unseen), at=self._first(*KEPT, resolved=False) or self.row)
        body = self._substituted(body)
        return found._replace(body=body, yaml=yaml, at=body, unknown=body.unknown | name.unknown | kind.unknown)

    def _first(self, *names: str, resolved: bool = True) -> Node | None:
        for name in names:
            if name in self.properties:
                found = self.stack.whole(self.properties[name]) if resolved else self.properties[name]
                if found is not None:
                    return found
        return None

    def _text(self, *names: str) -> Node | None:
        found = self._first(*names)
        if found is not None and found.text is None:
            found.fail(f"{names[-1]} wants a text, and this is {found.kind}")
        return found if found is None or found.text else None

    def _definition(self) -> tuple[Node, bool]:
        """The definition, which is given in one of four ways, and whether it is a text in YAML."""
        for name in KEPT[:2]:
            if name in self.properties:
                written = self.properties[name]
                inner = written.fields.get("Fn::ToJsonString") if len(written.fields) == 1 else None
                found = self.stack.whole(inner or written)
                if found is not None:
                    return _seen(found), False
        place = self._first(*KEPT[2:])
        if place is None:
            self.row.fail(f"{self.id} has no definition: one of {', '.join(KEPT)}")
        if place.unknown:
            raise Unseen(f"where its definition is hangs on {', '.join(sorted(place.unknown))}")
        name = place.text if place.text is not None else self._asset(place)
        if name.startswith("s3://"):
            raise Unseen(f"its definition is in S3, as {name}")
        return self.files.text(name, place), is_yaml(name)

    def _asset(self, place: Node) -> str:
        """The file beside the template that CDK uploads to this place in S3."""
        bucket, key = (as_text(place.fields[name].value) if name in place.fields else "" for name in ("Bucket", "Key"))
        metadata = self.row.fields.get("Metadata")
        path = metadata.fields.get("aws:asset:path") if metadata is not None else None
        if path is not None and path.text:
            return path.text
        listed = self._listed(key, place)
        if listed is None:
            raise Unseen(f"its definition is in S3, as s3://{bucket}/{key}")
        return listed

    def _listed(self, key: str, place: Node) -> str | None:
        """The path of an asset in the list that CDK writes beside a template."""
        try:
            files = self.files.tree(self.assets, place).fields.get("files") if key and self.assets else None
        except Unseen:
            return None
        for asset in files.fields.values() if files is not None else ():
            source = asset.fields["source"].fields.get("path") if "source" in asset.fields else None
            places = asset.fields["destinations"].fields.values() if "destinations" in asset.fields else ()
            keys = [where.fields["objectKey"].text for where in places if "objectKey" in where.fields]
            if source is not None and source.text and key in keys:
                return source.text
        return None

    def _substituted(self, body: Node) -> Node:
        """The definition with `DefinitionSubstitutions`, and what is given, filled in as texts."""
        written = self._first("DefinitionSubstitutions")
        if written is not None and type(written.members) is not dict:
            written.fail(f"DefinitionSubstitutions is {written.kind}, not an object")
        values: dict[str, Node | str] = {}
        for name, value in written.fields.items() if written is not None else ():
            if value.members is not None:
                value.fail(f"{name} wants a text, and this is {value.kind}")
            values[name] = value
        return filled(self.stack, body, {**values, **self.stack.given})


def filled(stack: Stack, node: Node, values: Mapping[str, Node | str]) -> Node:
    """A definition with `${NAME}` replaced by what `values` has for it, in its texts and field names."""
    stack.budget.take(node)
    if node.text is not None:
        return stack.woven(node, PLACEHOLDER, values.get) if "${" in node.text else node
    if node.members is None:
        return node
    stack.budget.deeper(node)
    if type(node.members) is list:
        found = node.holding([filled(stack, item, values) for item in node.items])
    else:
        fields = {}
        for name, item in node.fields.items():
            named = PLACEHOLDER.sub(lambda match: _written(match, values), name) if "${" in name else name
            fields[named] = filled(stack, item, values).named(item.key)
        found = node.holding(fields)
    stack.budget.depth -= 1
    return found


def _written(match: re.Match[str], values: Mapping[str, Node | str]) -> str:
    value = values.get(match[1], match[0])
    return value if isinstance(value, str) else as_text(value.value)


def _seen(node: Node) -> Node:
    """A definition that is one: an object or a text."""
    if node.unknown and node.members is None and (node.text or "").strip().startswith("${"):
        raise Unseen(f"its definition hangs on {', '.join(sorted(node.unknown))}")
    if node.text is None and type(node.members) is not dict:
        node.fail(f"a definition is an object or a text, and this is {node.kind}")
    return node


def logging_of(logging: Node, stack: Stack) -> dict[str, JSON]:
    """The level and what goes with it; the log group is one of ours, since logs are written elsewhere here."""
    found = {name.lower(): item for name, item in logging.fields.items()}
    level, data = found.get("level"), found.get("includeexecutiondata")
    group = f"arn:aws:logs:{stack.region}:{stack.account}:log-group:express:*"
    return {
        "level": level.text if level is not None and level.text and not level.unknown else "OFF",
        "includeExecutionData": data is not None and as_text(data.value) == "true",
        "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": group}}],
    }
