"""E10: variables. E11: limits."""

from express.asl.lint.rules.rule import Rule

_PASS = '{{"Type": "Pass", "Assign": {}, "End": true}}'
_PARALLEL = (
    '{{"StartAt": "A", "States": {{"A": {{"Type": "Pass", "Assign": {{"x": 1}}, "Next": "P"}}, "P": '
    '{{"Type": "Parallel", "Branches": [{{"StartAt": "B", "States": {{"B": {{"Type": "Pass", '
    '"Assign": {{"{}": 2}}, "End": true}}}}}}], "End": true}}}}}}'
)

VARIABLES: dict[str, Rule] = {
    "E1001": Rule(
        title="Not a variable name",
        cause="A variable name is an identifier of at most 80 characters. 'states' is reserved, and only whole "
        "variables can be assigned, not a part of one.",
        bad=_PASS.format('{"order.id": 1}'),
        good=_PASS.format('{"order_id": 1}'),
        spec="Developer Guide, Passing data between states with variables; asl.md §6",
    ),
    "W1004": Rule(
        title="Variable name with a hyphen",
        code="INVALID_VARIABLE_NAME",
        severity="WARNING",
        disputed=True,
        cause="A variable name is an identifier, and '-' is no part of one: `$order-id` reads the variable `order` "
        "and subtracts. AWS refuses it.",
        bad=_PASS.format('{"order-id": 1}'),
        good=_PASS.format('{"order_id": 1}'),
        spec="Developer Guide, Passing data between states with variables; asl.md §6",
    ),
    "E1002": Rule(
        title="Variable of an outer scope assigned",
        cause="Branches and iterations read the variables around them but can't assign a name that an enclosing "
        "scope assigns; results leave by the output.",
        bad=_PARALLEL.format("x"),
        good=_PARALLEL.format("y"),
        spec="asl.md §6",
    ),
    "W1003": Rule(
        title="Variable not assigned yet",
        code="UNDEFINED_VARIABLE",
        severity="WARNING",
        cause="No state that can run before this one assigns the variable, so reading it fails the state. A new "
        "value is visible from the next state on. Children of a distributed Map see no variables of the parent.",
        bad='{"Type": "Pass", "Parameters": {"id.$": "$order"}, "End": true}',
        good='{"StartAt": "A", "States": {"A": {"Type": "Pass", "Assign": {"order": 1}, "Next": "B"}, '
        '"B": {"Type": "Pass", "Parameters": {"id.$": "$order"}, "End": true}}}',
        spec="asl.md §6",
    ),
}

LIMITS: dict[str, Rule] = {
    "E1101": Rule(
        title="Too many of a kind",
        cause="express takes at most 25,000 states in a definition, 1,000 branches in a Parallel state, 10,000 "
        "rules in a Choice state, and 262,144 characters of JSONata altogether.",
        bad='{"Type": "Parallel", "Branches": ["… 1,001 branches …"], "End": true}',
        good='{"Type": "Parallel", "Branches": [{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}], "End": true}',
        spec="limits of express",
    ),
}
