"""The resources of a template, and those that SAM makes of its own: names and ARNs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from express.deploy.loops import expanded
from express.deploy.nodes import Node
from express.deploy.resource_kinds import KINDS, Kind

if TYPE_CHECKING:
    from express.deploy.cloudformation import Stack

SAM_FUNCTION = "AWS::Serverless::Function"
SAM_MACHINE = "AWS::Serverless::StateMachine"
_WITH_ROLES = (SAM_FUNCTION, SAM_MACHINE, "AWS::Serverless::Application")


class Resources:
    """Values of `Ref` and `Fn::GetAtt` for the logical ids of a template."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._written = stack.template.fields.get("Resources")
        self._rows: dict[str, Node] = {}
        self._open: list[str] = []

    def begin(self) -> None:
        """Start anew, after a name that could not be read."""
        self._open.clear()
        if self._written is not None:
            section, self._written = self._written, None
            self._rows = expanded(self._stack, section)

    def rows(self) -> dict[str, Node]:
        """Every resource by its logical id, but those whose condition does not hold."""
        return {name: row for name, row in self._rows.items() if self._exists(row)}

    def _exists(self, row: Node) -> bool:
        condition = row.fields.get("Condition")
        return condition is None or condition.text is None or self._stack.conditions.holds(condition) is not False

    def is_generated(self, name: str) -> bool:
        """Return whether a name is one that SAM makes of a function's or machine's: `Work.Alias`, `Work.Version`."""
        first, _, last = name.partition(".")
        return last in ("Alias", "Version") and _type(self._rows.get(first)) in (SAM_FUNCTION, SAM_MACHINE)

    def ref(self, node: Node, name: str) -> Node:
        """Return what `Ref` gives."""
        row, kind = self._known(name)
        if row is None or kind is None:
            return self._generated(node, name)
        if kind.ref == "url":
            place = f"https://sqs.{self._stack.region}.amazonaws.com/{self._stack.account}"
            return self._made(node, f"{place}/{{name}}", name, row, kind)
        if kind.ref == "arn":
            return self._made(node, self._arn(kind), name, row, kind)
        return self._made(node, "{name}", name, row, kind)

    def attribute(self, node: Node, name: str, attribute: str) -> Node:
        """Return what `Fn::GetAtt` gives."""
        row, kind = self._known(name)
        dotted = f"{name}.{attribute}"
        if row is None or kind is None:
            made = self._generated_role(node, name) if attribute == "Arn" else None
            return made if made is not None else self._stack.unknown(node, dotted)
        wanted = "arn" if attribute == "Arn" and kind.arn else kind.attributes.get(attribute)
        if wanted == "url":
            return self.ref(node, name)
        if wanted == "arn":
            return self._made(node, self._arn(kind), name, row, kind)
        if wanted is not None:
            return self._made(node, "{name}" if wanted == "name" else wanted, name, row, kind)
        if _type(row) == "AWS::SSM::Parameter" and attribute == "Value" and "Value" in _properties(row):
            return self._stack.text(_properties(row)["Value"])
        return self._stack.unknown(node, dotted)

    def _known(self, name: str) -> tuple[Node | None, Kind | None]:
        row = self._rows.get(name)
        return row, KINDS.get(_type(row))

    @staticmethod
    def _arn(kind: Kind) -> str:
        return kind.arn if kind.arn.startswith("{of}") else f"arn:aws:{kind.arn}"

    # what a row says

    def _made(self, node: Node, form: str, name: str, row: Node, kind: Kind) -> Node:
        """A text of a resource, by a form with names in braces."""
        if name in self._open:
            node.fail(f"{' and '.join(dict.fromkeys(self._open))} are named after each other, or after themselves")
        self._open.append(name)
        values = {"region": self._stack.region, "account": self._stack.account}
        unknown: frozenset[str] = frozenset()
        for part in ("name", "of", "path", "group"):
            if f"{{{part}}}" in form:
                value = self._part(node, part, name, row, kind)
                values[part] = value.text or ""
                unknown |= value.unknown
        self._open.pop()
        text = form
        for part, filled in values.items():
            text = text.replace(f"{{{part}}}", filled)
        self._stack.budget.take(node, characters=len(text))
        return node.like(text, unknown)

    def _part(self, node: Node, part: str, name: str, row: Node, kind: Kind) -> Node:
        properties = _properties(row)
        if part == "of":
            return self._owner(node, _type(row), properties)
        if part == "name":
            found = _inside(properties, kind.name)
            return self._stack.text(found) if found is not None and not _is_empty(found) else node.like(name)
        key, default = ("Path", "/") if part == "path" else ("GroupName", "default")
        return self._stack.text(properties[key]) if key in properties else node.like(default)

    def _owner(self, node: Node, type_: str, properties: dict[str, Node]) -> Node:
        """The function or machine of a version or alias: a function's name, a machine's ARN."""
        if type_.startswith("AWS::Lambda::"):
            if "FunctionName" not in properties:
                node.fail("it names no FunctionName")
            found = self._stack.text(properties["FunctionName"])
            parts = (found.text or "").split(":")
            named = parts[6] if parts[0] == "arn" and len(parts) > 6 else parts[-1] if len(parts) == 1 else parts[0]
            return found.like(named, found.unknown)
        if "StateMachineArn" in properties:
            return self._stack.text(properties["StateMachineArn"])
        route = (
            next(iter(properties["RoutingConfiguration"].items), None) if "RoutingConfiguration" in properties else None
        )
        version = (route or properties.get("DeploymentPreference") or node).fields.get("StateMachineVersionArn")
        if version is None:
            node.fail("the alias names no StateMachineVersionArn")
        found = self._stack.text(version)
        return found.like((found.text or "").rpartition(":")[0], found.unknown)

    # what SAM makes

    def _generated(self, node: Node, name: str) -> Node:
        """`Ref` of what SAM makes of a function or machine: its role, its version, its alias."""
        first, _, last = name.partition(".")
        if self.is_generated(name):
            return self._version(node, first, last)
        if name.endswith("Role") and _type(self._rows.get(name.removesuffix("Role"))) in _WITH_ROLES:
            return node.like(name)
        for owner, row in self._rows.items() if "Alias" in name else ():
            if _type(row) == SAM_FUNCTION and name.startswith(f"{owner}Alias"):
                return self._version(node, owner, "Alias")
        return self._stack.unknown(node, name)

    def _generated_role(self, node: Node, name: str) -> Node | None:
        if name.endswith("Role") and _type(self._rows.get(name.removesuffix("Role"))) in _WITH_ROLES:
            return node.like(f"arn:aws:iam::{self._stack.account}:role/{name}")
        return None

    def _version(self, node: Node, owner: str, which: str) -> Node:
        """The ARN of the version or alias that `AutoPublishAlias` makes."""
        row = self._rows[owner]
        alias = _properties(row).get("AutoPublishAlias")
        if alias is None and _type(row) == SAM_FUNCTION:
            alias = _inside(self._stack.template.fields, "Globals.Function.AutoPublishAlias")
        if alias is None:
            node.fail(f"{owner} has no AutoPublishAlias, so there is no {owner}.{which}")
        arn, name = self.attribute(node, owner, "Arn"), self._stack.text(alias)
        behind = "1" if which == "Version" else name.text
        return node.like(f"{arn.text}:{behind}", arn.unknown | (name.unknown if which == "Alias" else frozenset()))


def _type(row: Node | None) -> str:
    found = row.fields.get("Type") if row is not None else None
    return found.text or "" if found is not None else ""


def _properties(row: Node) -> dict[str, Node]:
    return row.fields["Properties"].fields if "Properties" in row.fields else {}


def _inside(fields: dict[str, Node], dotted: str) -> Node | None:
    """A member of members: `DatabaseInput.Name`."""
    found: Node | None = None
    for name in dotted.split("."):
        found = fields.get(name)
        fields = found.fields if found is not None else {}
    return found


def _is_empty(node: Node) -> bool:
    return node.members is None and node.value in (None, "")
