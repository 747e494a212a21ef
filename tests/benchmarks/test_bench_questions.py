from __future__ import annotations

import json
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import pytest

from selfimprove.records import Completion, Problem, Request
from selfimprove.tasks.strategyqa import StrategyQa

BENCH = "questions"
TASK = StrategyQa()
WORDS = [
    "amber",
    "birch",
    "cedar",
    "daisy",
    "elder",
    "fern",
    "gorse",
    "hazel",
    "iris",
    "juniper",
    "kelp",
    "lilac",
    "maple",
    "nettle",
    "oak",
    "poppy",
]


def problems_of(names: Sequence[str]) -> list[Problem]:
    return [
        Problem.of(f"Would a {name} outlive a house cat?", "yes" if at % 2 else "no", facts=(f"The {name} is old.",))
        for at, name in enumerate(names)
    ]


class Scripted:
    """Drafts no; asks two questions; answers with the problem's name; is right where it is told that name.

    The teacher concludes about every `leaky`th problem, and then says what is harmless.
    """

    identity = "scripted"

    def __init__(self, problems: Sequence[Problem], leaky: int = 0) -> None:
        self.known = {p.id: (p, p.question.split()[2]) for p in problems}
        self.leaky = {p.id for p in problems[:: leaky or len(problems) + 1]} if leaky else set[str]()
        self.calls = 0

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        self.calls += len(requests)
        return [self._one(request) for request in requests]

    def _one(self, request: Request) -> Completion:
        problem, name = self.known[request.problem]
        said = request.messages[-1].content
        text = "Answer: no"
        if request.role == "ask":
            text = f"How long does the {name} live?\nHow long do such cats live?\nThis is no question."
        elif request.role == "answer":
            leaks = problem.id in self.leaky and (request.attempt == 0 or "such" in said)
            text = "So the answer is yes." if leaks else f"About {len(name)} years, says the book of {name}."
        elif request.role == "rewrite":
            text = f"Answer: {problem.answer}" if f"book of {name}" in said else "Answer: no"
        elif request.role == "solve" and request.sampling.temperature and request.sample == 1:
            text = f"Answer: {problem.answer}"
        return Completion(text=text, completion_tokens=len(text.split()))


def crew_of(bench: ModuleType, problems: Sequence[Problem], leaky: int = 0) -> Any:
    model = Scripted(problems, leaky)
    return bench.Crew(TASK, model, model)


def test_the_answers_are_all_exchanged_between_problems(bench: ModuleType) -> None:
    """No question keeps an answer to its own problem, each answer is given once, and questions stay."""
    problems = problems_of(WORDS)
    crew = crew_of(bench, problems)
    given = bench.told(bench.WAYS[0], bench.drafted(problems, crew, sampled=False), crew)
    changed = bench.shuffled(given.lessons)
    before = [(x.problem, c.question, c.answer) for x in given.lessons for c in x.clarifications]
    after = [(x.problem, c.question, c.answer) for x in changed for c in x.clarifications]
    assert [one[:2] for one in before] == [one[:2] for one in after]
    assert sorted(one[2] for one in before) == sorted(one[2] for one in after)
    own = {(problem, text) for problem, _, text in before}
    assert not own & {(problem, text) for problem, _, text in after}


def test_answers_of_one_problem_cannot_be_exchanged(bench: ModuleType) -> None:
    """Where one problem holds most answers there is no such exchange, and it is said."""
    problems = problems_of(WORDS[:1])
    crew = crew_of(bench, problems)
    given = bench.told(bench.WAYS[0], bench.drafted(problems, crew, sampled=False), crew)
    with pytest.raises(bench.InputError, match="2 answers cannot be exchanged"):
        bench.shuffled(given.lessons)


def test_differences_are_paired_over_the_same_problems(bench: ModuleType) -> None:
    """Of 16 problems 8 are gained and none is lost: the count, the difference and the interval are of pairs."""
    problems = problems_of(WORDS)
    crew = crew_of(bench, problems)
    done, _ = bench.conditions(bench.WAYS[0], bench.drafted(problems, crew, sampled=True), crew, {})
    gap = bench.versus(done["with"], done["second"])
    assert (gap["gained"], gap["lost"], gap["difference"]) == (8, 0, 0.5)
    assert gap["interval"][0] > 0.2
    assert gap["p_better"] == pytest.approx(0.5**9, abs=1e-4)
    assert bench.versus(done["with"], done["shuffled"])["difference"] == 0.5
    assert [one.problem for one in done["with"].attempts] == [one.problem for one in done["second"].attempts]


def test_an_answer_given_away_is_refused_and_counted(bench: ModuleType) -> None:
    """A quarter of the problems: one question is answered at the second try, the other is left without an answer."""
    problems = problems_of(WORDS)
    crew = crew_of(bench, problems, leaky=4)
    given = bench.told(bench.WAYS[0], bench.drafted(problems, crew, sampled=False), crew)
    counts = bench.asked_of(given, len(problems))
    assert counts["questions_per_problem"] == 2.0
    assert counts["given_away_share"] == 0.25
    assert counts["unanswered_share"] == 0.125
    assert counts["told_share"] == 1.0
    assert not any("answer is yes" in c.answer for x in given.lessons for c in x.clarifications)


def test_right_drafts_are_asked_about_too(bench: ModuleType) -> None:
    """Nobody knows at a test which drafts are right: the steps do not see it, and all problems are asked about."""
    problems = problems_of(WORDS)
    crew = crew_of(bench, problems)
    on = bench.drafted(problems, crew, sampled=False)
    assert [one.verdict.decided for one in on.drafts] == [True] * 16
    assert len(bench.told(bench.WAYS[0], on, crew).asking) == 16


def test_tokens_are_those_of_all_its_calls(bench: ModuleType) -> None:
    """A question path costs draft, asking and rewrite; a way that draws samples pays for them on every problem."""
    problems = problems_of(WORDS)
    crew = crew_of(bench, problems)
    on = bench.drafted(problems, crew, sampled=True)
    done, _ = bench.conditions(bench.WAYS[0], on, crew, {})
    assert set(done["with"].tokens) == {2 + 16 + 2}
    assert set(done["second"].tokens) == {4}
    uncertain = bench.WAYS[2]
    outcome = bench.rewritten(uncertain, bench.told(uncertain, on, crew), on, crew)
    assert sorted(set(outcome.tokens)) == [10, 28]
    assert outcome.right == done["with"].right


def test_the_way_that_is_best_on_training_problems_is_tested(
    bench: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A table a way, the keys of both tests, and the compiled program among the ways."""
    names = [f"{word}{end}" for end in ("", "let", "ling", "wood") for word in WORDS]
    problems = problems_of(names)
    crew = crew_of(bench, problems)
    monkeypatch.setattr(bench, "save_program", lambda *_: None)
    found = bench.run(crew, problems[:16], problems[16:32], problems[32:])
    assert found["accuracy"]["with"] == 1.0
    assert found["with_minus_second"]["difference"] == 0.5
    assert found["best"]["way"] == "fewer"
    assert set(found["train"]) == {"plain", "fewer", "uncertain", "compiled", "informed", "reference"}
    assert found["train"]["reference"]["accuracy"] == 0.5
    assert found["why_null"] == {}
    assert 'asking: "fewer", 16 test problems' in capsys.readouterr().out
    json.dumps(found)


def test_without_a_student_there_is_one_sentence(
    bench: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The keys are null, and it is said why."""
    monkeypatch.setattr(bench, "STUDENT", "")
    bench.main()
    assert json.loads(capsys.readouterr().out)["why_null"].startswith("STUDENT is not set")
