"""Rows of the arms that leave a part of the loop out, so that its worth can be told: on the same round, as many tokens.

no_questions      what a lesson's questions and answers won is left out: its problems are taught by rationales alone
no_selection      lessons of as many problems of the tried pool, drawn at random
no_verification   a lesson's first solution, verified or not
plain_programs    the lessons are given again, with every prompt as it is written
track_b_given     the reference rationale stands in the prompt, and only the answer is learned
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

from selfimprove.graphs.crew import Crew
from selfimprove.graphs.places import attempts_of
from selfimprove.programs import Program
from selfimprove.programs.in_force import InForce
from selfimprove.programs.saved import programs_for
from selfimprove.protocols import Teacher
from selfimprove.records import Lesson, Problem, TrackRow, Verdict, digest
from selfimprove.steps.answer import answer
from selfimprove.steps.ask import ask
from selfimprove.steps.build import build
from selfimprove.steps.draft import draft
from selfimprove.steps.harvest import Target, harvest, unverified
from selfimprove.steps.reason import rationales, reason
from selfimprove.steps.rewrite import rewrite


def ablated(
    crew: Crew, track: str, lessons: Sequence[Lesson], problems: Mapping[str, Problem], best: str, round_: int
) -> list[TrackRow]:
    """Give the rows of such an arm.

    Args:
        crew: the campaign's parts.
        track: of the arm.
        lessons: of the round.
        problems: by id.
        best: the student's adapter; empty: the base.
        round_: from 1.
    """
    if track == "no_verification":
        targets = unverified(lessons, crew.task)
    elif track == "no_questions":
        bare = [lesson.model_copy(update={"rewrites": (), "clarifications": ()}) for lesson in lessons]
        targets = _taught(crew, bare, problems, crew.teacher_for(crew.model(best), round_))
    elif track == "plain_programs":
        asked = [problems[lesson.problem] for lesson in lessons]
        targets = harvest(_plain(crew, asked, best, round_), problems, crew.task)
    elif track == "no_selection":
        asked = _drawn(crew, len(lessons), problems, round_)
        targets = harvest(_given(crew, asked, crew.programs, best, round_), problems, crew.task)
    else:
        targets = [Target(lesson.problem, lesson.id, "", "", "given", ()) for lesson in lessons]
        targets = [target for target in targets if problems[target.problem].rationale]
    return build(targets, problems, crew.task, track, round_=round_, longest=crew.config.student.max_tokens)


def _plain(crew: Crew, asked: Sequence[Problem], best: str, round_: int) -> list[Lesson]:
    """Give lessons without any program that was optimised."""
    force = crew.programs if isinstance(crew.programs, InForce) else InForce(crew.programs)
    with force.instead(programs_for(crew.task)):
        return _given(crew, asked, force, best, round_)


def _given(
    crew: Crew, asked: Sequence[Problem], programs: Mapping[str, Program], best: str, round_: int
) -> list[Lesson]:
    """Give lessons as the round does; calls that are the same are in the ledger."""
    student, own = crew.model(best), crew.config.lesson
    how, seed, by_id = crew.greedy(), crew.config.campaign.seed, {problem.id: problem for problem in asked}
    most, teacher = own.questions if own.turns else 0, crew.teacher_for(student, round_)
    drafts = draft(asked, student, programs, crew.task, how, questions=most, asking=own.asking, seed=seed)
    made = [
        Lesson(id=digest("lesson", round_, p.id), problem=p.id, round=round_, draft=d, lucky=crew.lucky(p))
        for p, d in zip(asked, drafts, strict=True)
    ]
    for turn in range(own.turns if most else 0):
        made = ask(made, by_id, student, programs["ask"], how, questions=most, turn=turn, seed=seed)
        made = answer(made, by_id, teacher, crew.task)
        made = rewrite(made, by_id, student, programs["rewrite"], crew.task, how, seed=seed)
    return reason(made, by_id, teacher, crew.task, samples=own.rationales, rationalise=own.rationalise)


def _taught(crew: Crew, lessons: Sequence[Lesson], problems: Mapping[str, Problem], teacher: Teacher) -> list[Target]:
    """Harvest lessons whose unsolved ones are reasoned about first; what the ledger knows is not asked again."""
    open_ = [x for x in lessons if not x.settled and not any(r.verdict is Verdict.CORRECT for r in x.rationales)]
    told = rationales([problems[x.problem] for x in open_], teacher, crew.task, crew.config.lesson.rationales)
    new = {x.id: tuple(some) for x, some in zip(open_, told, strict=True)}
    done = [x.model_copy(update={"rationales": new.get(x.id, x.rationales)}) for x in lessons]
    return harvest(done, problems, crew.task)


def _drawn(crew: Crew, count: int, problems: Mapping[str, Problem], round_: int) -> list[Problem]:
    """Draw problems from all that were tried."""
    tried = sorted(some[0].problem for some in attempts_of(crew, round_))
    chosen = Random(f"ablated {crew.config.campaign.seed} {round_}").sample(tried, min(count, len(tried)))
    return [problems[problem] for problem in chosen]
