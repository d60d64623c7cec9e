"""Variables over scopes: names, shadowing, and reads that nothing can have assigned (spec §6)."""

from __future__ import annotations

import pytest

from express.asl.lint import lint
from express.asl.lint.variables import is_identifier
from express.errors import Diagnostic
from express.values import JSON


def check(data: JSON) -> list[Diagnostic]:
    """Lint with the real grammars."""
    return lint(data)


def rules(data: JSON) -> list[str]:
    """The codes found."""
    return [finding.rule for finding in check(data)]


def assign(name: str, target: str) -> dict[str, JSON]:
    """A Pass that assigns a variable and goes on."""
    return {"Type": "Pass", "Assign": {name: 1}, "Next": target}


def read(name: str, **more: JSON) -> dict[str, JSON]:
    """A Pass that reads a variable."""
    return {"Type": "Pass", "Parameters": {"v.$": f"${name}.part"}, **(more or {"End": True})}


def parallel(*states: JSON, **more: JSON) -> dict[str, JSON]:
    """A Parallel of one-state branches."""
    branches = [{"StartAt": f"B{i}", "States": {f"B{i}": state}} for i, state in enumerate(states)]
    return {"Type": "Parallel", "Branches": branches, **(more or {"End": True})}


def machine(**states: JSON) -> dict[str, JSON]:
    """The states, started at the first."""
    return {"StartAt": next(iter(states)), "States": states}


@pytest.mark.parametrize("name", ["x", "_x", "größe", "名前", "a" * 80])
def test_identifiers_are_names(name: str) -> None:
    """Any Unicode identifier of at most 80 characters."""
    assert rules(machine(A=assign(name, "B"), B={"Type": "Succeed"})) == []


@pytest.mark.parametrize("name", ["states", "1x", "a.b", "a b", "", "a" * 81, "$x"])
def test_other_names_are_refused(name: str) -> None:
    """`states` is reserved, and parts of variables can't be assigned."""
    assert rules(machine(A=assign(name, "B"), B={"Type": "Succeed"})) == ["E1001"]


def test_a_hyphen_is_disputed() -> None:
    """AWS refuses it; other engines take it."""
    assert rules(machine(A=assign("a-b", "B"), B={"Type": "Succeed"})) == ["W1004"]
    assert not is_identifier("a-b")


def test_a_value_is_visible_from_the_next_state_on() -> None:
    """A state does not see what it assigns itself, unless it runs again."""
    own = {"Type": "Pass", "Assign": {"x": 1, "y.$": "$x"}, "End": True}
    assert rules(machine(A=own)) == ["W1003"]
    assert rules(machine(A=assign("x", "B"), B=read("x"))) == []
    assert rules(machine(A=read("x", Next="B"), B=assign("x", "C"), C={"Type": "Succeed"})) == ["W1003"]


def test_a_loop_carries_values_back() -> None:
    """In a loop the later state runs before the earlier one, the second time."""
    choice = {"Type": "Choice", "Choices": [{"Variable": "$.a", "IsPresent": True, "Next": "A"}], "Default": "D"}
    data = machine(A=read("x", Next="B"), B=assign("x", "C"), C=choice, D={"Type": "Succeed"})
    assert rules(data) == []


def test_the_nearest_variable_is_proposed() -> None:
    """A slip in a variable's name is answered with the variable."""
    (found,) = check(machine(A=assign("order", "B"), B=read("ordr")))
    assert (found.severity, found.hint) == ("WARNING", "did you mean 'order'?")


def test_inner_scopes_read_outer_variables() -> None:
    """What a state before the Parallel or Map has assigned can be read inside."""
    assert rules(machine(A=assign("x", "P"), P=parallel(read("x")))) == []
    assert rules(machine(P=parallel(read("x"), Next="A"), A=assign("x", "B"), B={"Type": "Succeed"})) == ["W1003"]


def test_inner_variables_do_not_leave() -> None:
    """Variables of a branch end with it."""
    data = machine(P=parallel(assign("x", "B0"), Next="B"), B=read("x"))
    data["States"]["P"]["Branches"][0]["States"]["B0"] = {"Type": "Pass", "Assign": {"x": 1}, "End": True}
    assert rules(data) == ["W1003"]


def test_inner_scopes_do_not_assign_outer_names() -> None:
    """A name that an enclosing scope assigns can't be assigned inside, at any depth; siblings are free."""
    inner = {"Type": "Pass", "Assign": {"x": 2}, "End": True}
    (found,) = check(machine(A=assign("x", "P"), P=parallel(inner)))
    assert (found.rule, found.location) == ("E1002", "/States/P/Branches[0]/States/B0/Assign/x")
    assert found.hint == "the outer one is at /States/A/Assign/x"

    deep = parallel({"Type": "Parallel", "Branches": [machine(I=inner)], "End": True})
    assert rules(machine(A=assign("x", "P"), P=deep)) == ["E1002"]
    assert rules(machine(P=parallel(inner, inner))) == []


def test_the_enclosing_state_may_assign_what_its_branches_do() -> None:
    """Assign and Catch of the Parallel itself act when the branches are over (recorded on AWS)."""
    inner = {"Type": "Pass", "Assign": {"x": 2}, "End": True}
    data = machine(P=parallel(inner, Assign={"x": 1}, End=True))
    assert rules(data) == []


def test_children_of_a_distributed_map_see_no_variables() -> None:
    """They are executions of their own."""
    config = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    processor = {"ProcessorConfig": config, **machine(I=read("x"))}
    data = machine(A=assign("x", "M"), M={"Type": "Map", "ItemProcessor": processor, "End": True})
    assert rules(data) == ["W1003"]
    processor["ProcessorConfig"] = {"Mode": "INLINE"}
    assert rules(data) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"InputPath": "$x"},
        {"OutputPath": "$x.y"},
        {"Parameters": {"a": [{"b.$": "States.Format('{}', $x)"}]}},
        {"Assign": {"z.$": "$x"}},
        {"QueryLanguage": "JSONata", "Output": "{% $x + 1 %}"},
        {"QueryLanguage": "JSONata", "Assign": {"z": "{% [$x] %}"}},
    ],
)
def test_reads_are_seen_everywhere(fields: dict[str, JSON]) -> None:
    """Paths, calls and expressions all count as reads."""
    assert rules(machine(A={"Type": "Pass", "End": True, **fields})) == ["W1003"]
    data = machine(A=assign("x", "B"), B={"Type": "Pass", "End": True, **fields})
    assert rules(data) == []


def test_names_bound_in_an_expression_are_its_own() -> None:
    """Parameters of functions and variables of a block are no variables of the machine."""
    output = "{% ($y := 1; $map([1], function($v, $i) { $v + $i + $y })) %}"
    assert rules(machine(A={"Type": "Pass", "QueryLanguage": "JSONata", "Output": output, "End": True})) == []
