"""The ledger is the only cache and `asking` the only retrier: those of the libraries around are off."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from fake_server import Reply, serving

from selfimprove.config import TeacherConfig
from selfimprove.graphs.campaign import build_campaign
from selfimprove.graphs.crew import Crew
from selfimprove.graphs.lesson import build_lesson
from selfimprove.graphs.rounds import build_round
from selfimprove.ledger import Ledger
from selfimprove.records import Answer, Problem, Question, Rationale
from selfimprove.tasks.gsm8k import Gsm8k
from selfimprove.teachers import load_teacher
from selfimprove.teachers.litellm_teacher import LiteLLMTeacher

FOUR = Problem.of("What is 2 + 2?", "4")


@pytest.fixture(params=["as it comes", "turned on by the user"])
def litellm(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """LiteLLM as it comes, and with its own cache and retries turned on for the whole process."""
    import litellm

    if request.param == "turned on by the user":
        monkeypatch.setattr(litellm, "cache", litellm.Cache(type="local"))
        monkeypatch.setattr(litellm, "num_retries", 3)
        monkeypatch.setattr(litellm, "num_retries_per_request", 3, raising=False)
        monkeypatch.setattr(litellm, "default_fallbacks", ["openai/other"])
        monkeypatch.setattr(litellm, "model_fallbacks", ["openai/other"])
    return litellm


def teacher(url: str, **config: Any) -> LiteLLMTeacher:
    """Give a whole teacher: DSPy's programs over LiteLLM over HTTP."""
    made = load_teacher(
        TeacherConfig(model="openai/m", base_url=url, retries=0, **config), Gsm8k(), {}, Ledger(":memory:")
    )
    assert isinstance(made, LiteLLMTeacher)
    return made


@pytest.mark.usefixtures("litellm")
@pytest.mark.parametrize(
    "fault",
    [Reply(status=500), Reply(status=429), Reply(status=503), Reply(broken="closed"), Reply(broken="half json")],
)
def test_without_our_retries_one_request_leaves(fault: Reply) -> None:
    """A server that fails once is asked once: neither DSPy, LiteLLM, OpenAI's client nor httpx tries again."""
    replies = iter([fault, *[Reply("#### 4")] * 9])
    with serving(lambda _: next(replies)) as server:
        ((made,),) = teacher(server.url).reason([FOUR], 1)
        assert server.calls == 1
    assert made.verdict == "error"


@pytest.mark.usefixtures("litellm")
def test_the_same_prompt_as_another_sample_reaches_the_server() -> None:
    """Samples of one prompt differ in nothing that a cache by messages would see, and each is asked."""
    with serving(Reply("#### 4")) as server:
        made = teacher(server.url)
        made.reason([FOUR], 3)
        made.answer([Question(problem=FOUR, text="How many?"), Question(problem=FOUR, text="How many?", attempt=1)])
        assert server.calls == 5
        made.reason([FOUR], 3)
        assert server.calls == 5


@pytest.mark.usefixtures("litellm")
def test_another_campaign_asks_for_itself() -> None:
    """Nothing outlives a ledger: with an empty one the very same request is sent again."""
    with serving(Reply("#### 4")) as server:
        for calls in (1, 2):
            teacher(server.url).reason([FOUR], 1)
            assert server.calls == calls


class Broken:
    """A teacher that counts how often it is asked, and fails each time."""

    def __init__(self) -> None:
        self.asked = 0

    def answer(self, asked: Sequence[Question]) -> list[Answer]:
        self.asked += 1
        raise ConnectionError("passing, LangGraph would say")

    def reason(self, problems: Sequence[Problem], samples: int) -> list[list[Rationale]]:
        return [[] for _ in problems]


def test_langgraph_neither_retries_nor_caches(make_crew: Callable[..., Crew]) -> None:
    """No node has a policy to run again or to be left out, and one that fails ran once."""
    crew, broken = make_crew(), Broken()
    crew = Crew(**{**crew.__dict__, "teacher_for": lambda _model, _round: broken})
    for graph in (build_campaign(crew), build_round(crew), build_lesson(crew)):
        assert not [name for name, node in graph.nodes.items() if node.retry_policy or node.cache_policy]
        assert graph.compile().cache is None
    crew.folder.write_rows("cohort/problems.jsonl", list(crew.task.problems("train"))[:5])
    with pytest.raises(ConnectionError):
        build_lesson(crew).compile().invoke({"round": 1, "adapter": "", "cohort": "cohort"})
    assert broken.asked == 1
