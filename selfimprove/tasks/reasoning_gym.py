"""Any procedural data set of reasoning-gym (Stojanovski et al. 2025, arXiv:2505.24760), as `reasoning_gym:NAME`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

from selfimprove.answers import number, text
from selfimprove.answers.killable import WorkerError, shared
from selfimprove.answers.kinds import guess, labelled_conclusion
from selfimprove.errors import InputError, MissingDependencyError, nearest
from selfimprove.records import Parsed, Problem, Split, Verdict, digest
from selfimprove.tasks.cuts import SPLITS, checked_sizes, squeezed
from selfimprove.tasks.evaluated import would_run

_BUCKETS: Mapping[Split, range] = {"test": range(20), "dev": range(20, 40), "train": range(40, 100)}
_DRAWS_PER_PROBLEM = 40  # a small question space is used up before that
_CHUNK = 500  # items of one generator object: some make all of theirs at once
_SCORE_S = 20.0
_SAMPLE = 50


@dataclass(frozen=True)
class ReasoningGym:
    """Questions of one generator, each in the split that the hash of its text says.

    So splits are disjoint for every seed and size. A generator with a small question space gives fewer problems than
    asked for.

    Args:
        dataset: the generator's name, such as `chain_sum`.
        sizes: problems a split.
        seed: another seed draws other questions, never across splits.
        config: the generator's own settings.
    """

    dataset: str
    sizes: Mapping[Split, int] = field(default_factory=lambda: {"train": 2000, "dev": 400, "test": 400})
    seed: int = 0
    config: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        checked_sizes(self.sizes)
        _check(self.dataset, self.config)

    @property
    def name(self) -> str:
        """`reasoning_gym:` and the generator's name."""
        return f"reasoning_gym:{self.dataset}"

    @property
    def instruction(self) -> str:
        """Ask for a last line, or for a last block where answers have several lines."""
        form = "the answer, nothing after it." if self._multiline else "the bare answer."
        return f'Reason step by step. End with a line "Answer: " and {form}'

    def problems(self, split: Split) -> Iterator[Problem]:
        """Walk a split, in the order of drawing."""
        yield from self._split(split).values()

    def parse(self, text_: str) -> Parsed:
        """Read what stands after "Answer:"."""
        return number.read(text_) if self._numeric else text.read(text_, multiline=self._multiline)

    def compare(self, answer: str, problem: Problem) -> Verdict:
        """Compare with the generator's own scorer: its full score is correct, everything less is wrong.

        The reference answer, or the same number written otherwise, needs no scorer. What a scorer would run as a
        program is unparseable.
        """
        same_number = self._numeric and number.compare(answer, problem.answer) is Verdict.CORRECT
        if answer == problem.answer or same_number:
            return Verdict.CORRECT
        if would_run(self.dataset, answer):
            return Verdict.UNPARSEABLE
        index = self._index(problem)
        if index is None:
            return Verdict.ERROR
        scorer = "selfimprove.tasks.reasoning_gym:score"
        try:  # in the worker: some scorers evaluate what they are given
            found = shared().call(scorer, self.dataset, self.seed, self._settings, index, answer, timeout_s=_SCORE_S)
        except TimeoutError:
            return Verdict.TIMEOUT
        except WorkerError:
            return Verdict.ERROR
        return Verdict.CORRECT if found == 1.0 else Verdict.WRONG

    def conclude(self, rationale: str, answer: str) -> str:
        """Write the rationale and the answer line."""
        return labelled_conclusion(rationale, answer)

    def _split(self, split: Split) -> dict[int, Problem]:
        if split not in self._drawn:
            self._drawn[split] = self._draw(split)
        return self._drawn[split]

    @cached_property
    def _drawn(self) -> dict[Split, dict[int, Problem]]:
        return {}

    def _draw(self, split: Split) -> dict[int, Problem]:
        """Take the split's questions from the stream, each once; keys are the items' indices."""
        wanted = self.sizes.get(split, 0)
        kept: dict[int, Problem] = {}
        seen: set[str] = set()
        for index in range(wanted * _DRAWS_PER_PROBLEM):
            if len(kept) == wanted:
                break
            problem = self._drawn_at(index)
            if problem is None or problem.canonical in seen or split_of(problem.canonical) != split:
                continue
            seen.add(problem.canonical)
            kept[index] = problem
        if wanted and not kept:
            raise InputError(f"{self.name} has no {split} question with a reference answer; choose another generator")
        return kept

    def _drawn_at(self, index: int) -> Problem | None:
        """Give a problem of the stream that all splits are taken from; each is drawn once."""
        while len(self._stream) <= index:
            item = _item(self.dataset, self.seed, self._settings, len(self._stream))
            self._stream.append(_problem(self.dataset, item))
        return self._stream[index]

    @cached_property
    def _stream(self) -> list[Problem | None]:
        return []

    def _index(self, problem: Problem) -> int | None:
        for split in sorted(SPLITS, key=lambda split: split not in self._drawn):
            index = next((at for at, drawn in self._split(split).items() if drawn.id == problem.id), None)
            if index is not None:
                return index
        return None

    @property
    def _settings(self) -> str:
        return json.dumps(dict(self.config), sort_keys=True)

    @cached_property
    def _references(self) -> list[str]:
        drawn = (self._drawn_at(index) for index in range(_SAMPLE))
        return [problem.answer for problem in drawn if problem is not None]

    @cached_property
    def _multiline(self) -> bool:
        return any("\n" in reference.strip() for reference in self._references)

    @cached_property
    def _numeric(self) -> bool:
        return guess(self._references, choices=False) == "number"


def split_of(canonical: str) -> Split:
    """Say which split a question belongs to, the same for every seed, size and version."""
    bucket = int(digest("reasoning_gym", canonical), 16) % 100
    return next(split for split, buckets in _BUCKETS.items() if bucket in buckets)


def score(dataset: str, seed: int, config: str, index: int, answer: str) -> float:
    """Score an answer to one item with the generator's scorer, in [0, 1]; runs inside the worker."""
    chunk = _generator(dataset, seed + index // _CHUNK * _CHUNK, config)
    return float(chunk.score_answer(answer, chunk[index % _CHUNK]))


def _item(dataset: str, seed: int, config: str, index: int) -> Mapping[str, Any]:
    """Draw the item at an index of a seed's endless stream; each item's own seed is that seed plus its index."""
    item: Mapping[str, Any] = _generator(dataset, seed + index // _CHUNK * _CHUNK, config)[index % _CHUNK]
    return item


@lru_cache(maxsize=8)
def _generator(dataset: str, seed: int, config: str) -> Any:
    import reasoning_gym

    return reasoning_gym.create_dataset(dataset, seed=seed, size=_CHUNK, **json.loads(config))


def _problem(dataset: str, item: Mapping[str, Any]) -> Problem | None:
    """Turn an item into a problem, None when it has no reference answer."""
    if item["answer"] is None or not str(item["answer"]).strip():
        return None
    difficulty = item["metadata"].get("difficulty")
    levels = difficulty.items() if isinstance(difficulty, Mapping) else ()
    labels = {"dataset": dataset} | {name: str(level) for name, level in levels if isinstance(level, int | str)}
    made = Problem.of(item["question"].strip(), str(item["answer"]), labels=labels)
    return made.model_copy(update={"canonical": squeezed(made.question)})


def _check(dataset: str, config: Mapping[str, object]) -> None:
    """Refuse a generator or a setting that does not exist."""
    try:
        from reasoning_gym.factory import DATASETS
    except ImportError:
        raise MissingDependencyError(
            'reasoning_gym tasks need reasoning-gym; install it with: pip install "selfimprove[tasks]"'
        ) from None
    if dataset not in DATASETS:
        raise InputError(f'reasoning_gym has no data set "{dataset}"; {nearest(dataset, DATASETS)}')
    known = {each.name for each in dataclasses.fields(DATASETS[dataset][1])} - {"seed", "size"}
    for setting in config:
        if setting not in known:
            raise InputError(f'reasoning_gym:{dataset} has no setting "{setting}"; {nearest(setting, known)}')
    try:
        _generator(dataset, 0, json.dumps(dict(config), sort_keys=True))
    except (AssertionError, AttributeError, TypeError, ValueError) as error:  # how its configs refuse a value
        raise InputError(
            f"reasoning_gym:{dataset} refuses {dict(config)}: {error or 'a value is out of range'}"
        ) from error
