"""E02: transitions and names. E03: choice rules."""

from express.asl.lint.rules.rule import Rule

FLOW: dict[str, Rule] = {
    "E0201": Rule(
        title="Target state missing",
        code="MISSING_TRANSITION_TARGET",
        cause="StartAt, Next or Default names no state of the same States map. Names are case-sensitive, and "
        "a transition can't enter or leave a Parallel branch or a Map's processor.",
        bad='{"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "Done "}, "Done": {"Type": "Succeed"}}}',
        good='{"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "Done"}, "Done": {"Type": "Succeed"}}}',
        spec="Amazon States Language, Transitions; asl.md §20",
    ),
    "E0202": Rule(
        title="State can't be reached",
        code="MISSING_TRANSITION_TARGET",
        cause="No chain of transitions leads from StartAt to this state. It is marked as following from another "
        "finding when a transition that might lead here is broken.",
        bad='{"StartAt": "A", "States": {"A": {"Type": "Succeed"}, "B": {"Type": "Succeed"}}}',
        good='{"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Succeed"}}}',
        spec="Amazon States Language, Transitions; asl.md §20",
    ),
    "E0203": Rule(
        title="Nothing ends",
        code="MISSING_END_STATE",
        cause="A States map needs a Succeed state, a Fail state, or a state with End. Parallel branches and Map "
        "processors need their own.",
        bad='{"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Pass", "Next": "A"}}}',
        good='{"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Pass", "End": true}}}',
        spec="asl.md §20",
    ),
    "E0204": Rule(
        title="State name used twice",
        code="DUPLICATE_STATE_NAME",
        cause="State names are unique over the whole machine, Parallel branches and Map processors included.",
        bad='{"StartAt": "A", "States": {"A": {"Type": "Parallel", "Branches": '
        '[{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}], "End": true}}}',
        good='{"StartAt": "A", "States": {"A": {"Type": "Parallel", "Branches": '
        '[{"StartAt": "A1", "States": {"A1": {"Type": "Succeed"}}}], "End": true}}}',
        spec="Amazon States Language, States; asl.md §1",
    ),
    "E0205": Rule(
        title="State name not allowed",
        code="INVALID_STATE_NAME",
        cause="A state name has 1 to 80 characters.",
        bad='{"StartAt": "", "States": {"": {"Type": "Succeed"}}}',
        good='{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}',
        spec="asl.md §1, §19",
    ),
}

CHOICES: dict[str, Rule] = {
    "E0301": Rule(
        title="Choice rule without a test",
        cause="A rule of a JSONPath Choice needs Variable with one comparison operator, or And, Or or Not. "
        "A JSONata rule has Condition.",
        bad='{"StartAt": "C", "States": {"C": {"Type": "Choice", "Choices": '
        '[{"Variable": "$.x", "Next": "D"}]}, "D": {"Type": "Succeed"}}}',
        good='{"StartAt": "C", "States": {"C": {"Type": "Choice", "Choices": '
        '[{"Variable": "$.x", "IsPresent": true, "Next": "D"}]}, "D": {"Type": "Succeed"}}}',
        spec="Amazon States Language, Choice State; asl.md §10",
    ),
}
