"""StrategyQA: yes/no questions whose steps are implicit (Geva et al. 2021, arXiv:2101.02235)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from selfimprove.answers.kinds import kind
from selfimprove.errors import InputError
from selfimprove.records import Problem, Split
from selfimprove.tasks.cuts import Splits, divide, same_words
from selfimprove.tasks.of_kind import OfKind
from selfimprove.tasks.source import Row, find, from_hub, read_rows

_FILES = "strategyqa/train.json and strategyqa/dev.json"


@dataclass(frozen=True)
class StrategyQa(OfKind):
    """The 229 questions of the authors' dev file are the test; 400 of their train file, by answer, are dev.

    The labels of the authors' own 490 test questions are not public.

    Args:
        data_dir: folder that holds `strategyqa/train.json` and `strategyqa/dev.json`; None: the hub.
        sizes: the most problems to give a split.
        dev_size: problems cut from train by the hash of their question.
        hub: the copy to read. `ChilleD/StrategyQA` divides the same 2,290 questions into its own train and test and has
            no decomposition, so its results do not compare with those on the authors' files. `wics/strategy-qa` is a
            loading script, which `datasets` runs no longer.
    """

    data_dir: Path | None = None
    sizes: Mapping[Split, int] = field(default_factory=dict)
    dev_size: int = 400
    hub: str = "ChilleD/StrategyQA"

    name = "strategyqa"
    _kind = kind("yes_no")

    def problem(self, row: Row) -> Problem:
        """Turn one row of the data set into a problem.

        Raises:
            InputError: a field is missing or of the wrong kind.
        """
        answer = row.fields.get("answer")
        if not isinstance(answer, bool):
            raise InputError(f'{row.where}: "answer" must be true or false, not {answer!r}; correct it')
        facts, steps = row.texts("facts"), row.texts("decomposition")
        said = "yes" if answer else "no"
        labels = {"answer": said} | ({"steps": str(len(steps))} if steps else {})
        rationale = " ".join(_sentence(fact) for fact in facts)
        question = row.text("question")
        return Problem.of(question, said, rationale=rationale, facts=facts, decomposition=steps, labels=labels)

    @cached_property
    def aliases(self) -> Mapping[str, str]:
        """The data set's own `qid`s, each with the id of its problem."""
        named = [(row.fields.get("qid"), self.problem(row).id) for rows in self._rows for row in rows]
        return {qid: identity for qid, identity in named if isinstance(qid, str)}

    @cached_property
    def _rows(self) -> tuple[list[Row], list[Row]]:
        local = find(self.data_dir, "strategyqa", "train.json", "dev.json")
        if local:
            return read_rows(local[0]), read_rows(local[1])
        return from_hub(self.hub, "train", files=_FILES), from_hub(self.hub, "test", files=_FILES)

    @cached_property
    def _splits(self) -> Splits:
        train, test = self._rows
        pools: Mapping[Split, list[Problem]] = {
            "train": [*map(self.problem, train)],
            "test": [*map(self.problem, test)],
        }
        return divide(
            pools,
            name=self.name,
            dev_size=self.dev_size,
            sizes=self.sizes,
            key=same_words,
            stratum=lambda problem: problem.answer,
        )


def _sentence(fact: str) -> str:
    fact = " ".join(fact.split())
    return fact if fact.endswith((".", "!", "?", '."', '?"')) else f"{fact}."
