"""E07: Map."""

from express.asl.lint.rules.rule import Rule

_MAP = (
    '{{"Type": "Map", "ItemProcessor": {{"ProcessorConfig": {{"Mode": "{}"{}}}, "StartAt": "A", '
    '"States": {{"A": {{"Type": "Succeed"}}}}}}, {}, "End": true}}'
)
_CHILD = ', "ExecutionType": "EXPRESS"'
_TWO = '{{"StartAt": "M", "States": {{"M": {}, "N": {}}}}}'


def _two(first: str, second: str) -> str:
    one = _MAP.format("DISTRIBUTED", _CHILD, f'"Label": "{first}"').replace('"End": true', '"Next": "N"')
    other = _MAP.format("DISTRIBUTED", _CHILD, f'"Label": "{second}"').replace('"A"', '"B"')
    return _TWO.format(one, other)


MAPS: dict[str, Rule] = {
    "E0701": Rule(
        title="Map label not allowed",
        code="INVALID_LABEL_NAME",
        cause='A label has 1 to 40 characters, and none of blanks, wildcards, brackets, " # % \\ ^ | ~ ` $ & , ; : / '
        "or control characters, because it becomes part of an ARN.",
        bad=_MAP.format("DISTRIBUTED", _CHILD, '"Label": "per order"'),
        good=_MAP.format("DISTRIBUTED", _CHILD, '"Label": "per-order"'),
        spec="Developer Guide, Using Map state in Distributed mode; asl.md §14, api.md §3",
    ),
    "E0702": Rule(
        title="Map label used twice",
        code="DUPLICATE_LABEL_NAME",
        cause="Labels are unique within a state machine.",
        bad=_two("orders", "orders"),
        good=_two("orders", "items"),
        spec="asl.md §14",
    ),
    "W0703": Rule(
        title="Map label too long",
        code="INVALID_LABEL_NAME",
        severity="WARNING",
        disputed=True,
        cause="A label has at most 40 characters. AWS refuses longer ones; express would run them.",
        bad=_MAP.format("DISTRIBUTED", _CHILD, '"Label": "a-label-of-forty-one-characters-altogether"'),
        good=_MAP.format("DISTRIBUTED", _CHILD, '"Label": "a-label-of-forty-characters-or-less"'),
        spec="Developer Guide, Using Map state in Distributed mode; asl.md §14",
    ),
    "W0706": Rule(
        title="Field of a distributed Map",
        code="NO_EFFECT",
        severity="WARNING",
        cause="Label, ItemReader, ItemBatcher, ResultWriter and the tolerated failures have an effect in a Map of "
        "mode DISTRIBUTED only.",
        bad=_MAP.format("INLINE", "", '"Label": "orders"'),
        good=_MAP.format("DISTRIBUTED", _CHILD, '"Label": "orders"'),
        spec="asl.md §14",
    ),
}
