"""What each prompt of the loop is asked for. The docstring is the instruction the model reads."""

from __future__ import annotations

import dspy


class Solve(dspy.Signature):
    """Solve the problem."""

    problem: str = dspy.InputField()
    solution: str = dspy.OutputField()


class AnswerOnly(dspy.Signature):
    """Give only the final answer to the problem, without any working."""

    problem: str = dspy.InputField()
    answer: str = dspy.OutputField()


class AnswerGiven(dspy.Signature):
    """Give only the final answer to the problem, which is worked out for you."""

    problem: str = dspy.InputField()
    rationale: str = dspy.InputField()
    answer: str = dspy.OutputField()


class DraftAndAsk(dspy.Signature):
    """Solve the problem as far as you can.

    Then write a line "Questions:" and under it, one a line, at most two short questions about facts you are unsure
    of and whose answers would most change your solution. Write "none" when nothing is unclear.
    """

    problem: str = dspy.InputField()
    solution: str = dspy.OutputField()
    questions: list[str] = dspy.OutputField()


class Ask(dspy.Signature):
    """You drafted a solution. Ask at most two short questions about facts that would most change it.

    Write one question a line and nothing else.
    """

    problem: str = dspy.InputField()
    draft: str = dspy.InputField()
    questions: list[str] = dspy.OutputField()


class Rewrite(dspy.Signature):
    """Solve the problem. Use the answers to your questions."""

    problem: str = dspy.InputField()
    draft: str = dspy.InputField()
    clarifications: str = dspy.InputField()
    solution: str = dspy.OutputField()


class AnswerQuestion(dspy.Signature):
    """A student works on the problem and asks a question. Answer the question in one short sentence.

    Give the fact that is asked for. Never state or hint at the final answer to the problem itself.
    """

    problem: str = dspy.InputField()
    question: str = dspy.InputField()
    refused: str = dspy.InputField(desc="an earlier answer that gave the solution away")
    answer: str = dspy.OutputField()


class Reason(dspy.Signature):
    """Solve the problem in short, correct steps that a small student can follow."""

    problem: str = dspy.InputField()
    solution: str = dspy.OutputField()


class Rationalise(dspy.Signature):
    """Explain in short, correct steps why the answer to the problem is the one given."""

    problem: str = dspy.InputField()
    given: str = dspy.InputField()
    solution: str = dspy.OutputField()


class Judge(dspy.Signature):
    """Is the solution to the problem correct? Check every step, then end with the line: Verdict: yes or no."""

    problem: str = dspy.InputField()
    solution: str = dspy.InputField()
    verdict: str = dspy.OutputField()


class JudgeSteps(dspy.Signature):
    """Check every step of the solution, in order. A step is wrong when it does not follow or its result is not right.

    Write nothing but a line a step, its number, a colon and how likely it is right, from 0 to 1, and then a line that
    names the first wrong step, or none. A reply to three steps of which the second is wrong looks like this:

    1: 0.9
    2: 0.1
    3: 0.2
    First wrong: 2
    """

    problem: str = dspy.InputField()
    steps: list[str] = dspy.InputField()
    complaint: str = dspy.InputField(desc="what was wrong with the form of an earlier reply")
    scores: str = dspy.OutputField()
    first_wrong: str = dspy.OutputField()
