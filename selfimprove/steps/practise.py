"""Practise: what a reinforced student tries again and again, with how it fared when mined."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from selfimprove.programs import stated
from selfimprove.records import Attempt, PracticeRow, Problem, Verdict, digest


def practise(
    attempts: Iterable[Sequence[Attempt]], problems: Mapping[str, Problem], round_: int, program: str = "solve"
) -> list[PracticeRow]:
    """Give the tried problems that had a verdict, with their counts of right and wrong tries.

    Args:
        attempts: of each problem, shape `[P][any]`.
        problems: by id.
        round_: the round they come from.
        program: whose prompt they are tried under.
    """
    rows = []
    for some in attempts:
        passed, failed = (sum(a.verdict is v for a in some) for v in (Verdict.CORRECT, Verdict.WRONG))
        if passed + failed:
            problem = problems[some[0].problem]
            rows.append(
                PracticeRow(
                    id=digest("practice", *(() if program == "solve" else (program,)), problem.id),
                    program=program,
                    inputs={"problem": stated(problem)},
                    problem=problem,
                    passed=passed,
                    failed=failed,
                    round=round_,
                )
            )
    return rows
