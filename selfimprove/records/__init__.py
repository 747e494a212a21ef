"""The words of the loop as frozen types.

Every file of a run folder holds rows of these types. Records refer to each other by id, so that
from any trained row one can walk back to the problem, the draft, the question and the call.
"""

from selfimprove.records.base import Record, digest
from selfimprove.records.calls import Completion, Message, Request, Sampling
from selfimprove.records.jobs import Adapter, Method, TrainingJob
from selfimprove.records.lessons import Answer, Attempt, Clarification, Grade, Lesson, Parsed, Question, Rationale
from selfimprove.records.measured import Comparison, Decision, Evaluation, Interval, Sampled, Score, Watched
from selfimprove.records.problems import Problem, Split, StepItem, Verdict
from selfimprove.records.rows import PracticeRow, PreferenceRow, TrackRow, VerdictRow

__all__ = [
    "Adapter",
    "Answer",
    "Attempt",
    "Clarification",
    "Comparison",
    "Completion",
    "Decision",
    "Evaluation",
    "Grade",
    "Interval",
    "Lesson",
    "Message",
    "Method",
    "Parsed",
    "PracticeRow",
    "PreferenceRow",
    "Problem",
    "Question",
    "Rationale",
    "Record",
    "Request",
    "Sampled",
    "Sampling",
    "Score",
    "Split",
    "StepItem",
    "TrackRow",
    "TrainingJob",
    "Verdict",
    "VerdictRow",
    "Watched",
    "digest",
]
