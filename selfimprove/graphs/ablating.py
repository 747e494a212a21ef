"""Rows of the arms that leave a part of the loop out, so that its worth can be told: on the same round, as many tokens.

no_questions      what a lesson's questions and answers won is left out: its problems are taught by rationales alone,
                  as a lesson without questions would; what the ledger knows is not asked again
no_selection      lessons of as many problems of the tried pool, drawn at random
no_verification   a lesson's first solution, verified or not
plain_programs    the lessons are given again, with every prompt as it is written
track_b_given     the reference rationale stands in the prompt, and only the answer is learned
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random

from selfimprove.graphs.crew import Crew
from selfimprove.graphs.lesson import give_lessons
from selfimprove.graphs.places import attempts_of, round_folder
from selfimprove.programs.in_force import InForce
from selfimprove.programs.saved import programs_for
from selfimprove.records import Lesson, Problem, TrackRow
from selfimprove.steps.build import build
from selfimprove.steps.harvest import Target, harvest, unverified
from selfimprove.steps.reason import reason


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
    place = f"{round_folder(round_)}/{track}"
    if track == "no_verification":
        targets = unverified(lessons, crew.task)
    elif track == "no_questions":
        unasked = {"clarifications": (), "rewrites": (), "rationales": ()}
        bare = [lesson.model_copy(update=unasked) for lesson in lessons]
        teacher, how = crew.teacher_for(crew.model(best), round_), crew.config.lesson
        told = reason(bare, problems, teacher, crew.task, samples=how.rationales, rationalise=how.rationalise)
        targets = harvest(told, problems, crew.task)
    elif track == "plain_programs":
        asked = [problems[lesson.problem] for lesson in lessons]
        targets = harvest(_plain(crew, asked, place, best, round_), problems, crew.task)
    elif track == "no_selection":
        asked = _drawn(crew, len(lessons), problems, round_)
        targets = harvest(give_lessons(crew, asked, place, best, round_), problems, crew.task)
    else:
        targets = [Target(lesson.problem, lesson.id, "", "", "given", ()) for lesson in lessons]
        targets = [target for target in targets if problems[target.problem].rationale]
    return build(targets, problems, crew.task, track, round_=round_, longest=crew.config.student.max_tokens)


def _plain(crew: Crew, asked: Sequence[Problem], place: str, best: str, round_: int) -> list[Lesson]:
    """Give lessons without any program that was optimised."""
    force = crew.programs if isinstance(crew.programs, InForce) else InForce(crew.programs)
    with force.instead(programs_for(crew.task)):
        return give_lessons(replace(crew, programs=force), asked, place, best, round_)


def _drawn(crew: Crew, count: int, problems: Mapping[str, Problem], round_: int) -> list[Problem]:
    """Draw problems from all that were tried."""
    tried = sorted(some[0].problem for some in attempts_of(crew, round_))
    chosen = Random(f"ablated {crew.config.campaign.seed} {round_}").sample(tried, min(count, len(tried)))
    return [problems[problem] for problem in chosen]
