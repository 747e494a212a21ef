"""The nodes that find what is hard: mine, grade, select."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from selfimprove.config import Config
from selfimprove.errors import InputError
from selfimprove.graphs.crew import Crew
from selfimprove.mining.kinds import Mined
from selfimprove.mining.library import Graded, student_hash
from selfimprove.mining.patterns import Found, Movement, Patterns, find_patterns, movements
from selfimprove.mining.prior import fit_curve, point_of
from selfimprove.mining.wording import Wording
from selfimprove.plugs import load_plug
from selfimprove.protocols import StepScorer
from selfimprove.records import Attempt, Problem, Record, Verdict
from selfimprove.scorers import load_scorer
from selfimprove.scorers.families import ENCODERS
from selfimprove.splits import rungs
from selfimprove.steps.grade import GradeRule, ToGrade, grade_pool
from selfimprove.steps.mine import Draw, MiningRule, climb, drawing, fresh, mine, pass_rate
from selfimprove.steps.select import Quota, Selection, choose, select
from selfimprove.store import RunFolder

Node = Callable[[Any], dict[str, Any]]


class Pool(Record):
    """What a round tried, and what it chose of that."""

    problems: int
    failures: int
    no_verdict: int
    pass_rate: float
    tried_rungs: tuple[str, ...] = ()
    mastered: tuple[str, ...] = ()
    quotas: tuple[Quota, ...] = ()
    """Of the selection, where its policy has any."""
    notes: tuple[str, ...] = ()
    """What could not be chosen as asked."""


def round_folder(round_: int) -> str:
    """Give a round's folder, relative to the run folder.

    >>> round_folder(3)
    'round-03'
    """
    return f"round-{round_:02d}"


def rule_of(config: Config, round_: int) -> MiningRule:
    """Give how a round mines; its sample indices begin behind those of the rounds before."""
    mine_ = config.mine
    return MiningRule(
        samples=mine_.samples,
        most=mine_.most,
        step=mine_.step,
        first=1 + (round_ - 1) * max(mine_.samples, mine_.most),
        again=mine_.longer > 1,
        rare=mine_.rare,
        lucky=mine_.lucky,
        scattered=mine_.scattered,
        confidence=mine_.confidence,
    )


def draw_of(crew: Crew, adapter: str) -> Draw:
    """Give what lets the student with an adapter try problems, behind the ledger."""
    tokens = crew.config.student.max_tokens
    return drawing(
        crew.model(adapter),
        crew.programs["solve"],
        crew.task,
        max_tokens=tokens,
        longer_tokens=round(tokens * crew.config.mine.longer),
        temperature=crew.config.mine.temperature,
        seed=crew.config.campaign.seed,
    )


def mine_node(crew: Crew) -> Node:
    """Try fresh training problems."""

    def node(state: dict[str, Any]) -> dict[str, Any]:
        here, config = round_folder(state["round"]), crew.config
        train = crew.problems("train")
        tried = frozenset(a.problem for r in range(1, state["round"]) for a in _drafts(crew, r))
        seed = config.campaign.seed * 1000 + state["round"]
        rule, draw, found = rule_of(config, state["round"]), draw_of(crew, state["best"]), list[Mined]()

        def attempt(problems: Sequence[Problem]) -> list[list[Attempt]]:
            made = mine(problems, draw, crew.task, rule)
            found.extend(one.mined for one in made)
            return [one.attempts for one in made]

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
        crew.folder.write_rows(f"{here}/mined.jsonl", found)
        _write(crew, here, pool, made, mastered)
        return {}

    return node


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


def scorer_of(config: Config) -> StepScorer | None:
    """Load the step scorer that the settings name; None where they name none.

    Raises:
        InputError: there is no such thing, or it scores no steps.
    """
    name = config.grade.scorer
    if name is None:
        return None
    if ":" not in name or name.partition(":")[0] in ENCODERS:
        return load_scorer(name)
    found = load_plug(name, "grade.scorer")
    made = found() if isinstance(found, type) else found
    if not isinstance(made, StepScorer):
        raise InputError(f'grade.scorer = "{name}" has no identity and score(); name a step scorer')
    return made


def grade_node(crew: Crew, scorer: StepScorer | None = None) -> Node:
    """Grade every tried problem, and find where failures lie.

    Args:
        crew: the campaign's parts.
        scorer: scores steps; default: the one that the settings name, if any.
    """

    def node(state: dict[str, Any]) -> dict[str, Any]:
        here, config = round_folder(state["round"]), crew.config
        by_id = {p.id: p for p in crew.problems("train")}
        mined = {m.problem: m for m in crew.folder.rows(f"{here}/mined.jsonl", Mined)}
        tried = [
            ToGrade(by_id[some[0].problem], mined[some[0].problem], some) for some in attempts_of(crew, state["round"])
        ]
        with crew.stage("grade", len(tried)):
            graded = grade_pool(
                tried,
                student_hash(crew.model(state["best"]).identity),
                scorer=scorer or scorer_of(config),
                rule=GradeRule(aggregate=config.grade.aggregate, bins=config.grade.bins),
                curve=fit_curve(map(point_of, mined.values())) if config.grade.prior else None,
            )
            crew.folder.write_rows(f"{here}/grades.jsonl", graded)
            crew.folder.write_json(f"{here}/patterns.json", _patterns(crew, tried, graded, list(by_id.values())))
        return {}

    return node


def _patterns(crew: Crew, tried: Sequence[ToGrade], graded: Sequence[Graded], train: Sequence[Problem]) -> Patterns:
    clusters, first_wrong = crew.config.mine.wording, {g.problem: g.first_wrong for g in graded}
    problems = [one.problem for one in tried]
    wording = Wording(train, clusters, crew.config.campaign.seed).of(problems) if clusters else [""] * len(problems)
    return find_patterns(
        Found(one.problem, one.mined, first_wrong.get(one.problem.id), words)
        for one, words in zip(tried, wording, strict=True)
    )


def failure_movements(folder: RunFolder, rounds: int) -> list[Movement]:
    """Follow the groups of failures over a campaign's first rounds, for the report."""
    names = [f"{round_folder(r)}/patterns.json" for r in range(1, rounds + 1)]
    return movements([folder.record(name, Patterns) for name in names if folder.has(name)])


def select_node(crew: Crew) -> Node:
    """Choose the round's lessons and cut them into cohorts."""

    def node(state: dict[str, Any]) -> dict[str, Any]:
        here, size = round_folder(state["round"]), crew.config.lesson.cohort
        chosen = _chosen(crew, state["round"])
        by_id = {p.id: p for p in crew.problems("train")}
        cohorts = []
        for start in range(0, len(chosen), size):
            cohort = f"{here}/cohorts/{start // size:03d}"
            crew.folder.write_rows(f"{cohort}/problems.jsonl", [by_id[i] for i in chosen[start : start + size]])
            cohorts.append(cohort)
        return {"cohorts": cohorts}

    return node


def _chosen(crew: Crew, round_: int) -> Sequence[str]:
    how, seed = crew.config.select, crew.config.campaign.seed * 1000 + round_
    if how.policy in {"failures", "ladder"}:
        return select(attempts_of(crew, round_), solved=how.solved, seed=seed, most=how.lessons)
    graded = crew.folder.rows(f"{round_folder(round_)}/grades.jsonl", Graded)
    pool = crew.folder.record(_pool(round_), Pool)
    made = choose_as(crew.config, graded, how.lessons or pool.failures, seed)
    crew.folder.write_json(_pool(round_), pool.model_copy(update={"quotas": made.quotas, "notes": made.notes}))
    return made.ids


def choose_as(config: Config, graded: Sequence[Graded], count: int, seed: int) -> Selection:
    """Choose from a graded pool as the settings say; for `p_eval` a part of it only tells how the levels lie."""
    how, own = config.select, list[Graded]()
    if how.policy == "failures" or how.policy == "ladder":  # noqa: PLR1714 - so the types of the others are known
        raise InputError(f'select.policy = "{how.policy}" chooses from attempts; name one that has quotas')
    if how.policy == "p_eval":
        mixed = Random(f"own {seed}").sample(list(graded), len(graded))
        cut = round(len(mixed) * how.own)
        own, graded = mixed[:cut], mixed[cut:]
    return choose(graded, how.policy, count, weights=how.weights, own=own, stratify=how.stratify, seed=seed)
