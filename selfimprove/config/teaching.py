"""Settings of the teacher, and of what it is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from selfimprove.config.section import Section


class TeacherRole(Section):
    """One role's own model, where it differs."""

    model: str | None = None
    """Model of this role; unset: teacher.model."""
    fallbacks: tuple[str, ...] | None = None
    """Models tried in turn; unset: teacher.fallbacks."""
    budget_usd: Annotated[float, Field(ge=0)] | None = None
    """The most that this role's calls may cost, in dollars, within the campaign's budget; unset: no cap."""
    max_calls: Annotated[int, Field(ge=0)] | None = None
    """The most requests sent for this role, each try counted; unset: no cap."""
    max_tokens: Annotated[int, Field(ge=0)] | None = None
    """The most tokens this role reads and writes; unset: no cap."""
    max_hours: Annotated[float, Field(gt=0)] | None = None
    """The most time this role's calls may take, added up, in hours; unset: no cap."""


class TeacherConfig(Section):
    """Who answers questions and reasons."""

    model: str = "reference"
    """`reference`, `self`, any LiteLLM model string, or `package.module:Name`."""
    first: str | None = None
    """Who teaches the first round, where another: a student that solves nothing has nothing to teach itself."""
    fallbacks: tuple[str, ...] = ()
    """Models tried in turn when the one before cannot answer."""
    base_url: str | None = None
    """Address of an OpenAI-compatible server."""
    api_key_env: str | None = None
    """Name of the environment variable that holds the key; unset: the provider's usual one."""
    concurrency: Annotated[int, Field(ge=1, le=512)] = 16
    """Calls in flight at once, at most: fewer while a provider says that it is too much."""
    requests_per_minute: Annotated[float, Field(gt=0)] | None = None
    """Requests sent to one model in a minute, over all roles; unset: no limit."""
    tokens_per_minute: Annotated[float, Field(gt=0)] | None = None
    """Tokens of one model in a minute, prompt and longest answer counted; unset: no limit."""
    timeout_s: Annotated[float, Field(gt=0)] = 120.0
    """Longest wait for one answer, in seconds."""
    deadline_s: Annotated[float, Field(gt=0)] = 900.0
    """Longest that one call may take over all its tries, pauses and fallbacks, in seconds."""
    retries: Annotated[int, Field(ge=0, le=10)] = 3
    """Further tries of one model after a passing fault; one that says "too much" and has no fallback is asked again
    until the deadline. 0: none at all."""
    max_tokens: Annotated[int, Field(ge=1)] = 512
    """Longest answer, in tokens; reserved in full against the budget."""
    temperature: Annotated[float, Field(ge=0)] = 0.7
    """For several rationales of one problem; a single one is greedy."""
    input_price: Annotated[float, Field(ge=0)] | None = None
    """Dollars per million prompt tokens of `model`, and of others without a known price."""
    output_price: Annotated[float, Field(ge=0)] | None = None
    """Dollars per million completion tokens of `model`, and of others without a known price."""
    thinking: Literal["keep", "drop"] = "drop"
    """What happens to a thinking model's hidden reasoning: part of the rationale, or left out."""
    parameters: Mapping[str, Any] = Field(default_factory=dict)
    """Anything else LiteLLM passes on, such as `reasoning_effort`."""
    answer: TeacherRole = TeacherRole()
    reason: TeacherRole = TeacherRole()
    judge: TeacherRole = TeacherRole()

    @field_validator("base_url")
    @classmethod
    def _is_an_address(cls, base_url: str | None) -> str | None:
        try:
            _ = urlsplit(base_url or "").port
        except ValueError as error:  # brackets that do not close, a port that is none
            raise ValueError("give an address such as http://127.0.0.1:8000/v1") from error
        return base_url


class LessonConfig(Section):
    """How much a student may ask in one lesson."""

    questions: Annotated[int, Field(ge=0, le=3)] = 2
    """Clarifying questions a draft may hold; the prompts, unless you compile others, ask for two at most. 0 turns
    asking off."""
    asking: Literal["auto", "one_call", "two_calls"] = "auto"
    """Ask in the draft's own call, in a second call, or (auto) in a second where the first kept no form."""
    turns: Annotated[int, Field(ge=0, le=5)] = 1
    """Rounds of questions and rewriting."""
    rationales: Annotated[int, Field(ge=0, le=32)] = 1
    """Chains of thought the teacher gives for an unsolved problem."""
    rationalise: bool = False
    """Show the teacher the answer where its own reasoning missed it; such rows are marked."""
    own_words: Literal["auto", "first", "last"] = "auto"
    """Whose words are learned where both are right: the student's (first), or the teacher's, who then reasons about
    every problem (last). auto: last where an answer could be guessed, as yes or no can: there a right answer says
    little about the words before it."""
    cohort: Annotated[int, Field(ge=1)] = 512
    """Problems that walk the lesson together."""
