"""JSON texts inside requests: let in through the runtime's own door, refused in the words of AWS's parser."""

from __future__ import annotations

from express.asl.scan import problem_of
from express.runtime.records.json_input import Rejected, admit
from express.values import JSON


class NotJson(ValueError):
    """A text that is no JSON, or none that an execution could hold. The message is AWS's parser's where it has one."""


def parse(text: str) -> JSON:
    """The value of a JSON text. Raises NotJson."""
    try:
        return admit(text.encode())
    except (Rejected, UnicodeEncodeError) as error:
        problem = problem_of(text)
        raise NotJson(problem.message if problem is not None else getattr(error, "cause", str(error))) from error
