"""What sorts a problem into a taxonomy, and what checks it without knowing the first one's labels.

The outline, which many problems share, stands before the problem: a server that keeps what prompts begin with reads it
once.
"""

from __future__ import annotations

import dspy


class Label(dspy.Signature):
    """Sort the problem into the outline. Of each level that is asked for choose one name, each below the one before.

    For each line under "Asked" write one line: its word, a colon, a name exactly as it stands there or in the outline,
    a bar, and how sure you are, from 0 to 1. For example: topic: Fractions | 0.8. Write nothing else.
    """

    outline: str = dspy.InputField()
    asked: str = dspy.InputField()
    place: str = dspy.InputField(desc="where it was sorted into so far")
    problem: str = dspy.InputField()
    complaint: str = dspy.InputField(desc="what was wrong with the form of an earlier reply")
    labels: str = dspy.OutputField()


class CheckLabel(dspy.Signature):
    """Say in one short sentence what a pupil must know or do to solve the problem. Then find its place in the outline.

    Write the sentence, then the line "Labels:", then for each line under "Asked" one line: its word, a colon, the
    name that fits the sentence best, exactly as it stands, a bar, and the chance that it is right, from 0 to 1.
    """

    outline: str = dspy.InputField()
    asked: str = dspy.InputField()
    place: str = dspy.InputField(desc="where it was sorted into so far")
    problem: str = dspy.InputField()
    complaint: str = dspy.InputField(desc="what was wrong with the form of an earlier reply")
    skill: str = dspy.OutputField()
    labels: str = dspy.OutputField()
