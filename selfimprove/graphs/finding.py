"""The nodes that find what is hard: mine and grade."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from selfimprove import progress
from selfimprove.config import Config
from selfimprove.config.finding import GradeConfig
from selfimprove.graphs.crew import Crew
from selfimprove.graphs.library import known_pool, library_name
from selfimprove.graphs.phases import phase_of, phased
from selfimprove.graphs.places import Node, Pool, attempts_of, drafts_of, pool_file, round_folder
from selfimprove.mining.kinds import Mined
from selfimprove.mining.library import Graded, student_hash
from selfimprove.mining.patterns import Found, Patterns, find_patterns
from selfimprove.mining.prior import fit_curve, point_of
from selfimprove.mining.wording import Wording
from selfimprove.protocols import StepScorer
from selfimprove.records import Attempt, Problem, Verdict
from selfimprove.scorers.figures import ScorerCard
from selfimprove.scorers.names import full_name, scorer_named
from selfimprove.scorers.trust import Gated, gated
from selfimprove.splits import rungs
from selfimprove.steps.grade import GradeRule, ToGrade, grade_pool
from selfimprove.steps.mine import Draw, MiningRule, climb, drawing, fresh, mine, pass_rate

_PROOF: Final = "scorer.json"
"""What the step scorer is trusted by, in a round's folder."""


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
    """Try fresh training problems, or take the library's attempts at them."""

    def node(state: dict[str, Any]) -> dict[str, Any]:
        here, config = round_folder(state["round"]), crew.config
        known = known_pool(crew, state["round"])
        train = known.problems if known else crew.problems("train")
        size = len(train) if known else phased(crew, state["round"]).mine.pool
        tried = frozenset(a.problem for r in range(1, state["round"]) for a in drafts_of(crew, r))
        seed = config.campaign.seed * 1000 + state["round"]
        rule, draw, found = rule_of(config, state["round"]), draw_of(crew, state["best"]), list[Mined]()

        def attempt(problems: Sequence[Problem]) -> list[list[Attempt]]:
            if known:
                found.extend(known.mined[p.id] for p in problems)
                return [known.attempts[p.id] for p in problems]
            made = mine(problems, draw, crew.task, rule)
            found.extend(one.mined for one in made)
            return [one.attempts for one in made]

        with crew.stage("mine", 0 if known else size * (1 + config.mine.samples)):
            if config.select.policy == "ladder":
                pool, made, mastered = climb(
                    train,
                    lambda p: p.labels.get(config.select.label, ""),
                    rungs(train, config.select.label),
                    _mastered(crew, state["round"]),
                    width=_width(crew, state["round"]),
                    threshold=config.select.threshold,
                    count=size if known else max(1, size // len(rungs(train, config.select.label))),
                    tried=tried,
                    seed=seed,
                    attempt=attempt,
                )
            else:
                pool, mastered = fresh(train, tried, size, seed), frozenset()
                made = attempt(pool)
        crew.folder.write_rows(f"{here}/mined.jsonl", found)
        _write(crew, state["round"], pool, made, mastered)
        return {}

    return node


def _width(crew: Crew, round_: int) -> int:
    return crew.config.select.first if round_ == 1 else crew.config.select.width


def _mastered(crew: Crew, round_: int) -> frozenset[str]:
    return frozenset() if round_ == 1 else frozenset(crew.folder.record(pool_file(round_ - 1), Pool).mastered)


def _write(
    crew: Crew, round_: int, pool: Sequence[Problem], made: Sequence[Sequence[Attempt]], mastered: frozenset[str]
) -> None:
    here = round_folder(round_)
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
        library=library_name(crew, round_),
        phase=phase_of(crew, round_),
    )
    crew.folder.write_json(f"{here}/pool.json", found)


def scorer_of(crew: Crew, best: str, card: ScorerCard | None = None) -> StepScorer | None:
    """Load the step scorer that the settings name, behind its gate; None where they name none.

    Args:
        crew: the campaign's parts.
        best: the student's adapter, for rollouts; empty: the base.
        card: what an earlier round trusts it by.

    Raises:
        InputError: there is no such thing, it scores no steps, or it was measured to be no better than chance.
    """
    how, config = crew.config.grade, crew.config
    if how.scorer is None:
        progress.current().say("no step scorer is named, so levels come from the pass rate")
        return None
    named = scorer_named(
        how.scorer,
        crew.ledger,
        student=crew.model(best),
        base=crew.model("").identity,
        task=crew.task,
        teacher=config.teacher,
        judging_by=crew.programs.get("judge_steps"),
        max_tokens=config.student.max_tokens,
        seed=config.campaign.seed,
        device=config.student.device,
    )
    return gated(named, full_name(how.scorer, config.teacher), trust=how.trust, card=card)


def grade_node(crew: Crew) -> Node:
    """Grade every tried problem, and find where failures lie."""

    def node(state: dict[str, Any]) -> dict[str, Any]:
        here = round_folder(state["round"])
        by_id = {p.id: p for p in crew.problems("train")}
        mined = {m.problem: m for m in crew.folder.rows(f"{here}/mined.jsonl", Mined)}
        tried = [
            ToGrade(by_id[some[0].problem], mined[some[0].problem], some) for some in attempts_of(crew, state["round"])
        ]
        known = known_pool(crew, state["round"])
        with crew.stage("grade", len(tried)):
            if known:
                graded = [row for row in known.graded if row.problem in mined]
            else:
                used = scorer_of(crew, state["best"], _proof_before(crew, state["round"]))
                graded = _graded(crew, state["best"], tried, used)
                if isinstance(used, Gated) and used.card:
                    crew.folder.write_json(f"{here}/{_PROOF}", used.card)
            crew.folder.write_rows(f"{here}/grades.jsonl", graded)
            crew.folder.write_json(f"{here}/patterns.json", _patterns(crew, tried, graded, list(by_id.values())))
        return {}

    return node


def _proof_before(crew: Crew, round_: int) -> ScorerCard | None:
    """Give what the newest of the rounds before trusted its step scorer by; None where none has measured it."""
    files = (f"{round_folder(r)}/{_PROOF}" for r in range(round_ - 1, 0, -1))
    found = next((file for file in files if crew.folder.has(file)), None)
    return crew.folder.record(found, ScorerCard) if found else None


def grade_rule_of(how: GradeConfig) -> GradeRule:
    """Give the settings' way from step scores to levels."""
    return GradeRule(aggregate=how.aggregate, bins=how.bins, screen=how.screen)


def _graded(crew: Crew, best: str, tried: Sequence[ToGrade], scorer: StepScorer | None) -> list[Graded]:
    how = crew.config.grade
    return grade_pool(
        tried,
        student_hash(crew.model(best).identity),
        scorer=scorer,
        rule=grade_rule_of(how),
        curve=fit_curve(point_of(one.mined) for one in tried) if how.prior else None,
    )


def _patterns(crew: Crew, tried: Sequence[ToGrade], graded: Sequence[Graded], train: Sequence[Problem]) -> Patterns:
    clusters, scored = crew.config.mine.wording, {g.problem: g.first_wrong for g in graded}
    problems = [one.problem for one in tried]
    wording = Wording(train, clusters, crew.config.campaign.seed).of(problems) if clusters else [""] * len(problems)
    return find_patterns(
        Found(one.problem, one.mined, one.mined.first_wrong or scored.get(one.problem.id), words)
        for one, words in zip(tried, wording, strict=True)
    )
