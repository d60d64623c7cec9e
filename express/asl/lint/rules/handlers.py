"""E06: Retry and Catch."""

from express.asl.lint.rules.rule import Rule

_TASK = '{{"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Retry": {}, "End": true}}'

HANDLERS: dict[str, Rule] = {
    "E0601": Rule(
        title="States.ALL beside other names",
        cause="States.ALL stands for every error, so it is the only name in its ErrorEquals.",
        bad=_TASK.format('[{"ErrorEquals": ["States.ALL", "States.Timeout"]}]'),
        good=_TASK.format('[{"ErrorEquals": ["States.Timeout"]}, {"ErrorEquals": ["States.ALL"]}]'),
        spec="Amazon States Language, Errors; asl.md §15",
    ),
    "E0602": Rule(
        title="States.ALL not last",
        cause="An entry with States.ALL takes everything, so it must be the last retrier or catcher.",
        bad=_TASK.format('[{"ErrorEquals": ["States.ALL"]}, {"ErrorEquals": ["States.Timeout"]}]'),
        good=_TASK.format('[{"ErrorEquals": ["States.Timeout"]}, {"ErrorEquals": ["States.ALL"]}]'),
        spec="Amazon States Language, Errors; asl.md §15",
    ),
    "W0603": Rule(
        title="Unknown States. error",
        code="UNKNOWN_ERROR_NAME",
        severity="WARNING",
        cause="Names that start with 'States.' are reserved, and this one is never raised: the entry can't match.",
        bad=_TASK.format('[{"ErrorEquals": ["States.TimeOut"]}]'),
        good=_TASK.format('[{"ErrorEquals": ["States.Timeout"]}]'),
        spec="Amazon States Language, Errors; asl.md §16",
    ),
    "W0604": Rule(
        title="Error handled twice",
        code="UNREACHABLE_HANDLER",
        severity="WARNING",
        cause="Entries are tried in order and the first that names the error is taken, even when its attempts are "
        "used up. A later entry with the same name never acts.",
        bad=_TASK.format('[{"ErrorEquals": ["States.Timeout"]}, {"ErrorEquals": ["States.Timeout"]}]'),
        good=_TASK.format('[{"ErrorEquals": ["States.Timeout"]}, {"ErrorEquals": ["States.ALL"]}]'),
        spec="asl.md §15",
    ),
}
