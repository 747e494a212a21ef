"""The nodes that find what is hard: mine, grade, select."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from selfimprove.graphs.crew import Crew
from selfimprove.records import Attempt, Problem, Record, Sampling, Verdict
from selfimprove.splits import rungs
from selfimprove.steps.grade import grade
from selfimprove.steps.mine import climb, fresh, pass_rate
from selfimprove.steps.select import select

Node = Callable[[Any], dict[str, Any]]


class Pool(Record):
    """What a round tried."""

    problems: int
    failures: int
    no_verdict: int
    pass_rate: float
    tried_rungs: tuple[str, ...] = ()
    mastered: tuple[str, ...] = ()


def round_folder(round_: int) -> str:
    """Give a round's folder, relative to the run folder.

    >>> round_folder(3)
    'round-03'
    """
    return f"round-{round_:02d}"


def mine_node(crew: Crew) -> Node:
    """Try fresh training problems."""

    def node(state: dict[str, Any]) -> dict[str, Any]:
        here, config = round_folder(state["round"]), crew.config
        train = crew.problems("train")
        tried = frozenset(a.problem for r in range(1, state["round"]) for a in _drafts(crew, r))
        seed = config.campaign.seed * 1000 + state["round"]

        def attempt(problems: Sequence[Problem]) -> list[list[Attempt]]:
            return _tries(crew, problems, state["best"], state["round"])

        with crew.stage("mine", config.mine.pool * (1 + config.mine.samples)):
            if config.select.policy == "ladder":
                pool, made, mastered = climb(
                    train,
                    lambda p: p.labels.get(config.select.label, ""),
                    rungs(train, config.select.label),
                    _mastered(crew, state["round"]),
                    width=_width(crew, state["round"]),
                    threshold=config.select.threshold,
                    count=max(1, config.mine.pool // len(rungs(train, config.select.label))),
                    tried=tried,
                    seed=seed,
                    attempt=attempt,
                )
            else:
                pool, mastered = fresh(train, tried, config.mine.pool, seed), frozenset()
                made = attempt(pool)
        _write(crew, here, pool, made, mastered)
        return {}

    return node


def _tries(crew: Crew, problems: Sequence[Problem], adapter: str, round_: int) -> list[list[Attempt]]:
    program, count = crew.programs["solve"], crew.config.mine.samples
    greedy = crew.solve(problems, adapter, program)
    if not count:
        return greedy
    first = 1 + (round_ - 1) * count
    sampling = Sampling(temperature=crew.config.mine.temperature, max_tokens=crew.config.student.max_tokens)
    sampled = crew.solve(problems, adapter, program, sampling, range(first, first + count))
    return [[*one, *more] for one, more in zip(greedy, sampled, strict=True)]


def _width(crew: Crew, round_: int) -> int:
    return crew.config.select.first if round_ == 1 else crew.config.select.width


def _mastered(crew: Crew, round_: int) -> frozenset[str]:
    return frozenset() if round_ == 1 else frozenset(crew.folder.record(_pool(round_ - 1), Pool).mastered)


def _pool(round_: int) -> str:
    return f"{round_folder(round_)}/pool.json"


def _drafts(crew: Crew, round_: int) -> list[Attempt]:
    name = f"{round_folder(round_)}/drafts.jsonl"
    return crew.folder.rows(name, Attempt) if crew.folder.has(name) else []


def _write(
    crew: Crew, here: str, pool: Sequence[Problem], made: Sequence[Sequence[Attempt]], mastered: frozenset[str]
) -> None:
    greedy = [some[0] for some in made]
    failures = [a for a in greedy if a.verdict is Verdict.WRONG]
    crew.folder.write_rows(f"{here}/drafts.jsonl", greedy)
    crew.folder.write_rows(
        f"{here}/samples.jsonl", [a for some in made for a in some[1:]], by=lambda a: (a.problem, a.completion.sample)
    )
    crew.folder.write_rows(f"{here}/failures.jsonl", failures)
    label = crew.config.select.label
    ladder = crew.config.select.policy == "ladder"
    found = Pool(
        problems=len(pool),
        failures=len(failures),
        no_verdict=sum(not a.verdict.decided for a in greedy),
        pass_rate=round(pass_rate([[a] for a in greedy]), 6),
        tried_rungs=tuple(dict.fromkeys(p.labels[label] for p in pool)) if ladder else (),
        mastered=tuple(sorted(mastered)),
    )
    crew.folder.write_json(f"{here}/pool.json", found)


def attempts_of(crew: Crew, round_: int) -> list[list[Attempt]]:
    """Read a round's attempts back, the greedy one first, in order of problem."""
    by_problem = {a.problem: [a] for a in _drafts(crew, round_)}
    for attempt in crew.folder.rows(f"{round_folder(round_)}/samples.jsonl", Attempt):
        by_problem[attempt.problem].append(attempt)
    return list(by_problem.values())


def grade_node(crew: Crew) -> Node:
    """Grade every tried problem."""

    def node(state: dict[str, Any]) -> dict[str, Any]:
        graded = [grade(some[0].problem, some) for some in attempts_of(crew, state["round"])]
        crew.folder.write_rows(f"{round_folder(state['round'])}/grades.jsonl", [g for g in graded if g is not None])
        return {}

    return node


def select_node(crew: Crew) -> Node:
    """Choose the round's lessons and cut them into cohorts."""

    def node(state: dict[str, Any]) -> dict[str, Any]:
        here, size = round_folder(state["round"]), crew.config.lesson.cohort
        seed = crew.config.campaign.seed * 1000 + state["round"]
        chosen = select(
            attempts_of(crew, state["round"]),
            solved=crew.config.select.solved,
            seed=seed,
            most=crew.config.select.lessons,
        )
        by_id = {p.id: p for p in crew.problems("train")}
        cohorts = []
        for start in range(0, len(chosen), size):
            cohort = f"{here}/cohorts/{start // size:03d}"
            crew.folder.write_rows(f"{cohort}/problems.jsonl", [by_id[i] for i in chosen[start : start + size]])
            cohorts.append(cohort)
        return {"cohorts": cohorts}

    return node
