"""What sorts a problem into a taxonomy, and what checks it without knowing the first one's labels.

The outline, which many problems share, stands before the problem: a server that keeps what prompts begin with reads it
once. What is asked for stands last: a small model that read a problem last solves it.
"""

from __future__ import annotations

import dspy


class Label(dspy.Signature):
    """Sort the problem into the outline; do not solve it. Of each level choose one name, each below the one before.

    Write the lines that are asked for at the end, nothing else: a word, a colon, one name exactly as it stands, a bar,
    and how sure you are, from 0 to 1. For example: topic: Fractions | 0.8
    """

    outline: str = dspy.InputField()
    place: str = dspy.InputField(desc="where it was sorted into so far")
    problem: str = dspy.InputField()
    complaint: str = dspy.InputField(desc="what was wrong with the form of an earlier reply")
    asked: str = dspy.InputField()
    labels: str = dspy.OutputField()


class CheckLabel(dspy.Signature):
    """Say in one short sentence what a pupil must know or do to solve the problem. Then find its place in the outline.

    Write the sentence, then the line "Labels:", then the lines that are asked for at the end: a word, a colon, the
    name that fits the sentence best, exactly as it stands, a bar, and the chance that it is right, from 0 to 1.
    """

    outline: str = dspy.InputField()
    place: str = dspy.InputField(desc="where it was sorted into so far")
    problem: str = dspy.InputField()
    complaint: str = dspy.InputField(desc="what was wrong with the form of an earlier reply")
    asked: str = dspy.InputField()
    skill: str = dspy.OutputField()
    labels: str = dspy.OutputField()
