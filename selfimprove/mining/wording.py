"""Groups of problems by their wording: TF-IDF vectors, k-means clusters, named by their words.

The clusters are fitted once, on a campaign's training problems, so that a group means the same in every round.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final

from selfimprove.errors import MissingDependencyError
from selfimprove.records import Problem

_WORD: Final = re.compile(r"[^\W\d_]{2,}")
_FEATURES: Final = 5_000
_NAMED_BY: Final = 4
FITTED_ON: Final = 20_000
"""Of more problems than this, clusters are fitted on about as many, spread over them."""


class Wording:
    """Clusters of texts.

    Args:
        problems: fitted on these; of more than 20,000, on as many spread over them.
        clusters: how many, at most: no more than there are different questions.
        seed: of the first centres.

    Raises:
        MissingDependencyError: scikit-learn is not installed.
    """

    def __init__(self, problems: Sequence[Problem], clusters: int, seed: int = 0) -> None:
        step = max(1, len(problems) // FITTED_ON)
        texts = [_words(problem) for problem in problems[::step]]
        different = len({text for text in texts if text})
        self._names: list[str] = []
        if not different:  # numbers alone, or nothing: there is no wording to tell apart
            return
        text_module, cluster_module = _sklearn()
        self._vectors = text_module.TfidfVectorizer(
            max_features=_FEATURES, sublinear_tf=True, token_pattern=None, tokenizer=str.split
        )
        rows = self._vectors.fit_transform(texts)
        self._model = cluster_module.KMeans(min(clusters, different), n_init=3, random_state=seed).fit(rows)
        words = self._vectors.get_feature_names_out()
        spread = self._model.cluster_centers_ - self._model.cluster_centers_.mean(axis=0)
        self._names = [
            f"{at + 1}: " + ", ".join(str(words[i]) for i in centre.argsort()[::-1][:_NAMED_BY] if centre[i] > 0)
            for at, centre in enumerate(spread)
        ]

    @property
    def names(self) -> list[str]:
        """The clusters: a number and the words that tell it from the others."""
        return list(self._names)

    def of(self, problems: Sequence[Problem]) -> list[str]:
        """Give each problem's cluster, empty where there are none; shape `[P]`."""
        if not self._names or not problems:
            return [""] * len(problems)
        found = self._model.predict(self._vectors.transform([_words(problem) for problem in problems]))
        return [self._names[int(at)] for at in found]


def _words(problem: Problem) -> str:
    return " ".join(word.casefold() for word in _WORD.findall(f"{problem.context} {problem.question}"))


def _sklearn() -> tuple[Any, Any]:
    try:
        return import_module("sklearn.feature_extraction.text"), import_module("sklearn.cluster")
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            'grouping failures by wording needs scikit-learn; install it with: pip install "selfimprove[mine]"'
        ) from error
