"""Cases and metrics, with scripted models."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "teachers"))
from scripted_model import ScriptedModel

from selfimprove.compiling.compiling import by_problem, measured, part
from selfimprove.compiling.generating import Generated
from selfimprove.compiling.guarding import check_disjoint
from selfimprove.compiling.making import Source, make_cases, read_cases
from selfimprove.compiling.metrics import Agreement, Match, Parts, Solved, check_metric, metric_named
from selfimprove.errors import InputError
from selfimprove.programs import Complaint, Program, Read, plain, program_for
from selfimprove.programs.bench import Bench
from selfimprove.programs.cases import Case, Outputs
from selfimprove.programs.saved import programs_for
from selfimprove.programs.written import read_problems
from selfimprove.records import Answer, Completion, Problem, Question, Rationale, Request, Sampling
from selfimprove.stats import compare_means, wilson
from selfimprove.tasks.arithmetic import Arithmetic

TASK = Arithmetic(kinds=("sum",), levels=(3,), sizes={"train": 40, "dev": 5, "test": 5})
PROBLEMS = list(TASK.problems("train"))
BY_ID = {problem.id: problem for problem in PROBLEMS}
PROGRAMS = programs_for(TASK)
GREEDY = Sampling()


def read(metric: Any, program: Program, case: Case, text: str, end: str = "stop") -> Read[Outputs]:
    reply = Completion(text=text, finish_reason=end)  # type: ignore[arg-type]
    found = metric.read(program, case, program.parse(text), reply)
    return Read(None, reply, (), str(found)) if isinstance(found, Complaint) else Read(found, reply, (), "")


def scores(metric: Any, program: Program, replies: Mapping[Case, str] | Sequence[tuple[Case, str]]) -> list[float]:
    pairs = list(replies.items()) if isinstance(replies, Mapping) else list(replies)
    marks = metric.mark(program, [c for c, _ in pairs], [read(metric, program, c, text) for c, text in pairs])
    return [mark.score for mark in marks]


def source(model: Any, teacher: Any = None) -> Source:
    return Source(TASK, model, teacher, PROGRAMS, GREEDY)


class Helper:
    """Answers usefully, or gives the solution away."""

    def __init__(self, *, leaks: bool = False) -> None:
        self.leaks = leaks

    def answer(self, asked: Sequence[Question]) -> list[Answer]:
        return [Answer(text=f"The answer is {q.problem.answer}." if self.leaks else "Go left.") for q in asked]

    def reason(self, problems: Sequence[Problem], samples: int) -> list[list[Rationale]]:
        return [[] for _ in problems]


def student(request: Request) -> str:
    """Draft wrongly, and be right after a useful answer."""
    right = request.role == "rewrite" and "Go left." in request.messages[-1].content
    if request.role == "ask":
        return "Which number is first?"
    return TASK.conclude("So.", BY_ID[request.problem].answer if right else "-7")


def test_accuracy_reads_leniently_and_valid_wants_the_form() -> None:
    """A right answer that is not in the form counts for accuracy alone."""
    (case,) = make_cases("solve", PROBLEMS[:1], source(None))
    program, bare = program_for("solve", TASK), f"It comes to {PROBLEMS[0].answer}"
    whole = TASK.conclude("So.", PROBLEMS[0].answer)
    assert scores(Solved(TASK, BY_ID), program, [(case, bare), (case, whole), (case, "no")]) == [1.0, 1.0, 0.0]
    assert scores(Solved(TASK, BY_ID, strict=True), program, [(case, bare), (case, whole)]) == [0.0, 1.0]


@pytest.mark.parametrize(("name", "worth"), [("reason", 0.0), ("rationalise", 0.0), ("solve", 1.0)])
def test_a_bare_answer_is_no_reasoning(name: str, worth: float) -> None:
    """It is right and in the form, and would teach to give no reasons."""
    (case,) = make_cases(name, PROBLEMS[:1], source(None))
    program, metric = program_for(name, TASK), Solved(TASK, BY_ID, strict=True)
    bare, whole = (TASK.conclude(before, PROBLEMS[0].answer) for before in ("", "It is the sum."))
    assert scores(metric, program, [(case, bare), (case, whole)]) == [worth, 1.0]


def test_cases_hold_the_worked_solutions_that_their_problems_have() -> None:
    """As the reply that the program should give: its worked example."""
    (case, without) = make_cases(
        "reason", [PROBLEMS[0], PROBLEMS[1].model_copy(update={"rationale": ""})], source(None)
    )
    assert case.outputs == {"solution": TASK.conclude(PROBLEMS[0].rationale, PROBLEMS[0].answer)}
    assert not without.outputs
    assert scores(
        Solved(TASK, BY_ID, strict=True), program_for("reason", TASK), [(case, case.outputs["solution"])]
    ) == [1]
    assert not make_cases("draft_and_ask", PROBLEMS[:1], source(None))[0].outputs


def test_a_students_first_words_are_what_is_measured() -> None:
    """As in the loop, where a draft is not asked for once more: no complaint, and what it says then does not count."""
    (case,) = make_cases("solve", PROBLEMS[:1], source(None))
    model = ScriptedModel(lambda r: TASK.conclude("So.", PROBLEMS[0].answer) if r.attempt else "I do not know.")
    program, metric = program_for("solve", TASK), Solved(TASK, BY_ID)
    assert [mark.score for mark in Bench(program, model, metric, GREEDY).marks(program, [case])] == [0.0]
    assert len(model.asked) == 1


def test_a_judges_cases_hold_as_many_right_solutions_as_wrong_ones() -> None:
    """Whatever the student's accuracy; no verdict counts as missed."""

    def solver(request: Request) -> str:
        problem = BY_ID[request.problem]
        return TASK.conclude(problem.rationale, problem.answer if int(problem.id, 16) % 4 == 0 else "-7")

    cases = make_cases("judge", PROBLEMS, source(ScriptedModel(solver)))
    rights = [case for case in cases if case.gold["right"]]
    assert 0 < len(rights) == len(cases) / 2 < len(PROBLEMS) / 2
    program = plain("judge")
    assert sum(scores(Agreement(), program, [(case, "Verdict: yes") for case in cases])) == len(rights)
    assert sum(scores(Agreement(), program, [(case, "Hm.") for case in cases])) == 0


def test_a_student_that_is_never_right_gives_a_judge_nothing() -> None:
    """The counts are told."""
    with pytest.raises(InputError, match="0 right"):
        make_cases("judge", PROBLEMS, source(ScriptedModel(student)))


def test_step_judges_are_compared_by_their_first_wrong_step() -> None:
    """None is a verdict that the solution is right."""
    item = Case(id="c", problem="p", inputs={"steps": ["a", "b"]}, gold={"right": False})
    program, text = plain("judge_steps"), "1: 0.9\n2: 0.1\nFirst wrong: {}"
    assert scores(Agreement(), program, [(item, text.format(2)), (item, text.format("none")), (item, "x")]) == [1, 0, 0]


def test_a_question_is_worth_what_the_rewrite_gains() -> None:
    """Cases are wrong drafts; a question whose answer helps scores 1, and no question scores 0."""
    model = ScriptedModel(student)
    cases = make_cases("ask", PROBLEMS[:3], source(model))
    assert all("-7" in case.inputs["draft"] for case in cases)
    asking = metric_named("asking", "ask", Parts(TASK, BY_ID, model, Helper(), PROGRAMS, GREEDY))
    pairs = [(cases[0], "Where do I begin?"), (cases[1], "none"), (cases[2], "Tell me.")]
    assert scores(asking, plain("ask"), pairs) == [1.0, 0.0, 0.0]


def test_an_answer_that_gives_the_solution_away_counts_against_it() -> None:
    """Less leak: the question's score falls below 0, and so does such an answer's own."""
    model = ScriptedModel(student)
    (case,) = make_cases("ask", PROBLEMS[:1], source(model))
    leaking = metric_named("asking", "ask", Parts(TASK, BY_ID, model, Helper(leaks=True), PROGRAMS, GREEDY))
    assert scores(leaking, plain("ask"), [(case, "Where do I begin?")]) == [-1.0]
    (told,) = make_cases("answer_question", PROBLEMS[:1], source(model))
    own = metric_named("asking", "answer_question", Parts(TASK, BY_ID, model, Helper(), PROGRAMS, GREEDY))
    away = f"The answer is {PROBLEMS[0].answer}."
    assert scores(own, plain("answer_question"), [(told, "Go left."), (told, away)]) == [1.0, -1.0]


def test_rewrites_are_compiled_on_what_the_student_was_told() -> None:
    """Draft, question and answer stand in the inputs."""
    (case,) = make_cases("rewrite", PROBLEMS[:1], source(ScriptedModel(student), Helper()))
    assert "Go left." in case.inputs["clarifications"]
    with pytest.raises(InputError, match="--teacher"):
        make_cases("rewrite", PROBLEMS[:1], source(ScriptedModel(student)))


def test_solver_that_keeps_no_form_at_first_does_not_mark_a_generator_down() -> None:
    """It is asked once more; what it finds then counts."""
    model = ScriptedModel(lambda request: TASK.conclude("So.", "7") if request.attempt else "Let me think.")
    metric = Generated(TASK, model, PROGRAMS["reason"], GREEDY)
    case = Case(id="c", problem="p", inputs={"example": "", "count": "1"})
    program = plain("generate")
    assert scores(metric, program, [(case, "Problem: What is 3 + 4 ?\nAnswer: 7")]) == [1.0]
    assert [request.attempt for request in model.asked] == [0, 1, 0, 1]
    formless = ScriptedModel(lambda _: "Three and four make 7.")
    found = Generated(TASK, formless, PROGRAMS["reason"], GREEDY)
    assert scores(found, program, [(case, "Problem: What is 3 + 4 ?\nAnswer: 7")]) == [1.0]
    assert [request.attempt for request in formless.asked] == [0, 0]


def test_generated_problems_count_when_they_are_new_and_solved_alike() -> None:
    """The example again, a wrong stated answer, and one too few are not valid."""

    def solver(request: Request) -> str:
        asked = request.messages[-1].content
        return TASK.conclude("So.", str(sum(int(n) for n in asked.split() if n.isdecimal())))

    metric = Generated(TASK, ScriptedModel(solver), PROGRAMS["reason"], GREEDY)
    example = "Problem: What is 2 + 2 ?\nAnswer: 4"
    case = Case(id="c", problem="p", inputs={"example": example, "count": "2"})
    new, wrong = "Problem: What is 3 + 4 ?\nSolution: 7.\nAnswer: 7", "Problem: What is 5 + 5 ?\nAnswer: 11"

    class Signed:
        name = "generate"
        predict = plain("answer_only").predict

        def parse(self, text: str) -> dict[str, Any]:
            return {"answer": text, "problems": text}

    texts = (f"{new}\n\nProblem: What is 1 + 1 ?\nAnswer: 2", new, f"{new}\n{wrong}", example, "nothing")
    assert scores(metric, Signed(), [(case, text) for text in texts]) == [1.0, 0.5, 0.5, 0.0, 0.0]  # type: ignore[arg-type]
    assert [made.answer for made in read_problems(f"{new}\n{wrong}", choices=False)] == ["7", "11"]
    twice = f"{new}\n\nProblem: What is 3 + 4?\nAnswer: 7"
    late = f"{wrong}\n{wrong.replace('5', '6')}\n{new}\nProblem: What is 1 + 1 ?\nAnswer: 2"
    assert scores(metric, Signed(), [(case, text) for text in (twice, late)]) == [0.5, 0.0]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("topic: Fractions | 0.9\nform: multiple choice | 0.8", 0.5),
        ("topic: fractions\nform: Short answer | 80 %", 1.0),
        ("topic: Fractions and ratios\nform: short answer", 0.5),
        ("topic: Fractions / Ratios\nform: short answer", 0.5),
        ("topic: Fractions\ntopic: Ratios\nform: short answer", 0.5),
        ("topic: Ratios\ntopic: Fractions\nform: short answer", 1.0),
    ],
)
def test_wanted_lines_are_those_that_are_said_last(text: str, score: float) -> None:
    """A confidence behind a line does not matter; more words, or every option, do."""
    case = Case(id="c", problem="p", inputs={}, gold={"answer": "topic: Fractions\nform: short answer"})
    assert scores(Match(), plain("answer_only"), [(case, text)]) == [score]


def test_cases_of_a_file_name_their_problem(tmp_path: Path) -> None:
    """Two cases of one problem are of one problem; a line separator within a text ends no line."""
    rows = [
        {"inputs": {"problem": "What\u2028now?", "outline": name}, "outputs": {"labels": "topic: A"}} for name in "ab"
    ]
    file = tmp_path / "cases.jsonl"
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    one, two = read_cases(file, "label", outputs=True)
    assert one.id != two.id
    assert one.problem == two.problem


def test_two_cases_of_the_same_inputs_want_the_same(tmp_path: Path) -> None:
    """The same line again is one case; with other outputs, both lines are named."""
    file, row = tmp_path / "cases.jsonl", {"inputs": {"problem": "q"}, "outputs": {"labels": "topic: A"}}
    file.write_text(f"{json.dumps(row)}\n" * 2)
    assert len(read_cases(file, "label", outputs=True)) == 1
    file.write_text(f"{json.dumps(row)}\n{json.dumps(row | {'outputs': {'labels': 'topic: B'}})}\n")
    with pytest.raises(InputError, match="line 2: the inputs of line 1 with other outputs; keep one"):
        read_cases(file, "label", outputs=True)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (
            {"inputs": {"problm": "q"}, "outputs": {"labels": "a"}},
            'inputs has no field "problm"; did you mean "problem"',
        ),
        (
            {"inputs": {"problem": "q"}, "outputs": {"label": "a"}},
            'outputs has no field "label"; did you mean "labels"',
        ),
        ({"inputs": {"problem": "q"}}, '"outputs" must hold'),
        ({"inputs": {"problem": "q"}, "outputs": {}}, '"outputs" must hold'),
        ({"inputs": "q"}, '"inputs" must hold'),
        ({}, '"inputs" must hold'),
    ],
)
def test_a_line_that_is_no_case_is_named(tmp_path: Path, row: dict[str, Any], said: str) -> None:
    """With the line and what it lacks, before anybody is asked."""
    file = tmp_path / "cases.jsonl"
    file.write_text(json.dumps(row) + "\n")
    with pytest.raises(InputError, match=f"line 1: {said}"):
        read_cases(file, "label", outputs=True)


@pytest.mark.parametrize(
    ("name", "program", "said"),
    [
        ("asking", "judge", "says nothing of the program"),
        ("balanced", "judge", 'did you mean "balanced_accuracy"'),
        ("valid", "ask", "says nothing of the program"),
    ],
)
def test_a_metric_that_does_not_fit_is_refused(name: str, program: str, said: str) -> None:
    """Before anything is loaded."""
    with pytest.raises(InputError, match=said):
        check_metric(name, program)


def test_cases_of_one_problem_are_never_parted() -> None:
    """Nothing held out was seen, and the same seed parts the same."""
    cases = [Case(id=f"{n}{k}", problem=str(n), inputs={}) for n in range(40) for k in range(2)]
    parts = part(cases, seed=3)
    held = [{case.problem for case in some} for some in parts]
    assert len(set().union(*held)) == sum(map(len, held)) == 40
    assert sum(len(some) for some in parts) == 80
    assert part(cases, seed=3) == parts
    with pytest.raises(InputError, match="too few"):
        part(cases[:6])


def test_several_cases_of_a_problem_are_one_draw() -> None:
    """All three figures are means over cases, and agree; what is drawn is a problem with all of its cases."""
    cases = [Case(id=f"{n} {k}", problem=str(n), inputs={}) for n in range(10) for k in range(1 + n % 2)]
    before, after = [0.0] * 15, [float(n % 2) for n in range(10) for _ in range(1 + n % 2)]
    found = compare_means(by_problem(cases, after), by_problem(cases, before))
    assert found.n == 10
    assert (
        round(found.difference, 4) == round(measured(cases, after).score - measured(cases, before).score, 4) == 0.6667
    )
    single = [Case(id=str(n), problem=str(n), inputs={}) for n in range(2)]
    assert measured(single, [1.0, 0.0]).interval == wilson(1, 2)


def test_an_interval_of_marks_below_0_is_not_upside_down() -> None:
    """A question whose answer gives the solution away is worth -1; a share stays within 0 and 1."""
    cases = [Case(id=f"{n} {k}", problem=str(n), inputs={}) for n in range(10) for k in range(1 + n % 2)]
    worst = measured(cases, [-1.0] * 10 + [0.0] * 5)
    assert -1.0 <= worst.interval.low < worst.score < worst.interval.high < 0.0
    assert measured(cases, [1.0] * 15).interval.high == 1.0


def test_problems_of_dev_are_refused_with_the_one_that_was_found() -> None:
    """Exact text or canonical form; training problems pass."""
    check_disjoint(PROBLEMS, TASK)
    with pytest.raises(InputError, match="1 problem of test of arithmetic"):
        check_disjoint([*PROBLEMS, next(TASK.problems("test"))], TASK)
