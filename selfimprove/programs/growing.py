"""What writes new problems, and what solves them without knowing the stated answer."""

from __future__ import annotations

import dspy


class Generate(dspy.Signature):
    """Write new problems of the kind of the example, as different from it and from each other as the kind allows.

    Each stands by itself, has exactly one right answer, and takes the same skill at the same difficulty. Work every
    answer out before you state it. Write each problem in this form and nothing else:

    Problem: the problem
    Solution: the working, in one or two lines
    Answer: the answer alone
    """

    kind: str = dspy.InputField()
    example: str = dspy.InputField()
    more_examples: str = dspy.InputField()
    form: str = dspy.InputField(desc="of the answers, and of options where there are any")
    changes: str = dspy.InputField(desc="what has to differ from the example")
    count: str = dspy.InputField()
    complaint: str = dspy.InputField(desc="what was wrong with an earlier reply")
    problems: str = dspy.OutputField()


class SolveIndependently(dspy.Signature):
    """Solve the problem on your own, step by step. Check the result before you state it."""

    problem: str = dspy.InputField()
    solution: str = dspy.OutputField()
