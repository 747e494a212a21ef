"""Optimise a program with DSPy's own optimisers, every call behind our ledger and every evaluation in batches."""

from __future__ import annotations

import importlib.util
import io
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any, Final, Literal, NamedTuple, get_args

import dspy

from selfimprove.errors import InputError, MissingDependencyError, SelfImproveError, nearest
from selfimprove.programs.bench import Bench, Loop
from selfimprove.programs.cases import Case
from selfimprove.programs.engine import Engine, StoppedError
from selfimprove.programs.program import Program
from selfimprove.protocols import LanguageModel
from selfimprove.records import Message, Sampling

Optimizer = Literal["gepa", "mipro", "bootstrap"]
OPTIMIZERS: Final[tuple[str, ...]] = get_args(Optimizer)
_NEEDS: Final = {"gepa": "gepa", "mipro": "optuna"}
_WRITING: Final = Sampling(temperature=1.0, max_tokens=1024)
_LONGEST: Final = 6000
"""Characters of an instruction; one that is longer is no instruction but a worked solution, or a loop."""
_KNOWN: Final = "As it is known."
"""Example in the program whose replies are those that cases hold: DSPy calls it as any other, and no model is asked."""
_FENCED: Final = re.compile(r"```(?:\w*\n)?(.*?)(?:```|\Z)", re.DOTALL)


class How(NamedTuple):
    """How a program is optimised.

    Attributes:
        optimizer: one of `OPTIMIZERS`.
        calls: replies that it may have marked, about; `bootstrap` looks at as many as it needs.
        demos: worked examples in the prompt, at most; `gepa` gives none.
        minibatch: cases that `gepa` reflects on at once.
        seed: of every draw.
    """

    optimizer: Optimizer = "gepa"
    calls: int = 300
    demos: int = 4
    minibatch: int = 4
    seed: int = 0


def check_optimizer(name: str) -> Optimizer:
    """Give an optimiser's name, once what it needs is there.

    Raises:
        InputError: there is none of this name.
        MissingDependencyError: its package is not installed.
    """
    if name not in OPTIMIZERS:
        raise InputError(f'there is no optimizer "{name}"; {nearest(name, OPTIMIZERS)}')
    package = _NEEDS.get(name)
    if package is not None and importlib.util.find_spec(package) is None:
        raise MissingDependencyError(
            f'the optimizer {name} needs the package {package}: pip install "selfimprove[compile]", or name another'
        )
    found: Optimizer = name  # type: ignore[assignment]  # seen to be one of them
    return found


def optimise(
    program: Program, bench: Bench, train: Sequence[Case], val: Sequence[Case], writer: LanguageModel, how: How
) -> Program:
    """Give the best program that an optimiser found; may be the one it began with.

    The same call again asks for the same requests, which a ledger has the answers of.

    Args:
        program: what to begin with.
        bench: runs and marks.
        train: cases that are learned from.
        val: cases that candidates are compared on.
        writer: writes instructions; behind the ledger.
        how: which optimiser, and how far.

    Raises:
        BudgetExceededError: a cap is reached; run again with a higher one.
        InputError: the optimiser can do nothing with what the models say.
    """
    check_optimizer(how.optimizer)
    make = {"gepa": _gepa, "mipro": _mipro, "bootstrap": _bootstrap}[how.optimizer]
    writing = Engine(writer, "write_instructions", _WRITING, how.seed)
    examples = bench.examples(train), bench.examples(val)
    try:
        with _quiet(), dspy.context(lm=bench.engine.lm(), callbacks=[bench], disable_history=True):
            made = make(Loop(program), bench, examples, writing, how)
    except StoppedError as stopped:
        raise stopped.cause from None
    except SelfImproveError:
        raise
    except Exception as error:
        said = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        raise InputError(
            f"the optimizer {how.optimizer} can do nothing with what {writer.identity} and {bench.model.identity} "
            f"reply ({said}); name a stronger model, or another optimizer"
        ) from error
    return program.with_predict(made.predict)


Examples = tuple[list[Any], list[Any]]


def _gepa(loop: Loop, bench: Bench, examples: Examples, writing: Engine, how: How) -> Any:
    optimizer = dspy.GEPA(
        metric=bench.score,
        max_metric_calls=how.calls,
        reflection_minibatch_size=min(how.minibatch, len(examples[0])),
        instruction_proposer=_Proposer(writing),
        use_merge=False,  # one predictor has nothing to merge
        num_threads=1,  # every call is answered already
        warn_on_score_mismatch=False,
        seed=how.seed,
    )
    return optimizer.compile(loop, trainset=examples[0], valset=examples[1])


def _mipro(loop: Loop, bench: Bench, examples: Examples, writing: Engine, how: How) -> Any:
    trials = max(2, how.calls // len(examples[1]) - 1)
    optimizer = dspy.MIPROv2(
        metric=bench.score,
        prompt_model=writing.lm(),
        task_model=bench.engine.lm(),
        auto=None,
        num_candidates=max(2, min(12, (2 * trials) // 3)),
        max_bootstrapped_demos=how.demos,
        max_labeled_demos=0,  # those that are known come from who demonstrates
        num_threads=1,
        seed=how.seed,
        track_stats=False,
        metric_threshold=1.0,
    )
    return optimizer.compile(
        loop,
        teacher=_demonstrator(loop, bench, examples[0]),
        trainset=examples[0],
        valset=examples[1],
        num_trials=trials,
        minibatch=False,
        program_aware_proposer=False,  # it would show this file
    )


def _bootstrap(loop: Loop, bench: Bench, examples: Examples, writing: Engine, how: How) -> Any:  # noqa: ARG001 - nothing is written
    optimizer = dspy.BootstrapFewShot(
        metric=bench.score, metric_threshold=1.0, max_bootstrapped_demos=how.demos, max_labeled_demos=0
    )
    return optimizer.compile(loop, teacher=_demonstrator(loop, bench, examples[0]), trainset=examples[0])


def _demonstrator(loop: Loop, bench: Bench, examples: Sequence[Any]) -> Loop:
    """Give what demonstrates: right replies that the cases hold, where all hold one, else what the program says.

    A model that is right by a wrong way, or keeps no form unless it sees it, is a bad example or none at all. What the
    program says is asked for in one batch; DSPy would walk it one by one.
    """
    program, cases = bench.program.with_predict(loop.predict), bench.cases_of(examples)
    if not all(case.outputs for case in cases):
        bench.prepare(program, cases)
        return loop
    known = program.with_demos([dict.fromkeys(program.predict.signature.fields, _KNOWN)])
    bench.take_known(known, cases)
    return Loop(known)


class _Proposer:
    """Writes a new instruction from replies and what was wrong with them, as `dspy.GEPA` asks for one.

    The request is the `gepa` package's own, in plain text: DSPy's proposer wants JSON, which small models do not keep.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __call__(
        self,
        candidate: Mapping[str, str],
        reflective_dataset: Mapping[str, Sequence[Mapping[str, Any]]],
        components_to_update: Sequence[str],
    ) -> dict[str, str]:
        from gepa.strategies.instruction_proposal import InstructionProposalSignature

        made = {}
        for name in components_to_update:
            records = [_plain(record) for record in reflective_dataset[name]]
            told = {"current_instruction_doc": candidate[name], "dataset_with_feedback": records}
            prompt = str(InstructionProposalSignature.prompt_renderer(told))
            reply = self._engine.ask([Message(role="user", content=prompt)])
            made[name] = read_instruction(reply.text) or candidate[name]
        return made


def read_instruction(text: str) -> str:
    r"""Read the instruction that a model wrote between fences, or bare; empty where it is none.

    >>> read_instruction("Here it is:\n```\nSolve it step by step.\n```"), read_instruction("Think twice.")
    ('Solve it step by step.', 'Think twice.')
    """
    found = _FENCED.findall(text)
    instruction = (max(found, key=len) if found else text).strip()
    return instruction if len(instruction) <= _LONGEST else ""


def _plain(value: Any) -> Any:
    """Give nested mappings and texts for what DSPy shows, so that each prints the same every time."""
    if isinstance(value, str | int | float) or value is None:
        return value
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    items = getattr(value, "items", None)
    return {str(key): _plain(each) for key, each in items()} if callable(items) else str(value)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep DSPy's progress bars, prints and log off the screen."""
    loggers = [logging.getLogger(name) for name in ("dspy", "optuna", "gepa")]
    before = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
