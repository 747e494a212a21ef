"""The tables of a taxonomy's TOML file as types."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, field_validator

from selfimprove.config.section import Section
from selfimprove.labels.taxonomy import FORMS, folded, match

BETWEEN: Final = ">"
"""Stands between the names of a path."""
ANY: Final = "*"
"""Stands for every name of a level in a path."""
_LONGEST: Final = 80
_RATIO: Final = re.compile(r"\d{1,9}\s*/\s*\d{1,9}|\d{0,9}\.?\d{1,17}")


def _ratio(value: Any) -> Fraction:
    """Read a share: 0.25, or "1/7" where no decimal is exact."""
    text = value if isinstance(value, str) else repr(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float) or not _RATIO.fullmatch(text.strip()):
        raise ValueError('a share is a number from 0 to 1, or a text such as "1/7"')
    top, _, bottom = text.replace(" ", "").partition("/")
    if bottom and not int(bottom):
        raise ValueError("a share cannot be divided by 0")
    share = Fraction(int(top), int(bottom)) if bottom else Fraction(top)
    if not 0 <= share <= 1:
        raise ValueError("a share is from 0 to 1")
    return share


def _name(value: Any) -> str:
    """Read a name."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("a name is a text that is not empty")
    if len(value) > _LONGEST or not value.isprintable() or BETWEEN in value or ANY in value:
        raise ValueError(f'a name has at most {_LONGEST} characters on one line, none of them "{BETWEEN}" or "{ANY}"')
    return " ".join(value.split())


Share = Annotated[Fraction, BeforeValidator(_ratio)]
Name = Annotated[str, BeforeValidator(_name)]


def _parts(value: Any) -> Any:
    """Take a list of names for equal shares, and refuse shares that do not add up to one."""
    if isinstance(value, str):
        value = [value]
    if isinstance(value, list):
        names = [_name(name) for name in value]
        _once(names)
        return {name: Fraction(1, len(names)) for name in names}
    if isinstance(value, Mapping):
        found = {_name(name): _ratio(share) for name, share in value.items()}
        _once(list(found))
        total = sum(found.values())
        if found and total != 1:
            raise ValueError(f'the ratios add up to {float(total):.6g}, not to 1; correct them (1/7 is written "1/7")')
        return found
    raise ValueError("give a list of names for equal shares, or a table of name = share")


def _once(names: list[str]) -> None:
    """Refuse a name that stands twice."""
    if not names:
        raise ValueError("it is empty; name at least one")
    for at, name in enumerate(names):
        if folded(name) in map(folded, names[:at]):
            raise ValueError(f'"{name}" stands there twice; names of a level differ in more than capitals and spaces')


def _names(value: Any) -> Any:
    """Take a list of names, or a table of names with shares; whether these add up is seen where all siblings are."""
    if isinstance(value, list | tuple):
        names = [_name(name) for name in value]
        _once(names)
        return dict.fromkeys(names)
    if isinstance(value, Mapping):
        found = {_name(name): _ratio(share) for name, share in value.items()}
        _once(list(found))
        return found
    raise ValueError("give a list of names, or a table of name = share")


Parts = Annotated[Mapping[str, Fraction], BeforeValidator(_parts)]
Names = Annotated[Mapping[str, Fraction | None], BeforeValidator(_names)]


class Traits(Section):
    """What a table may set for all that lies below it; what it leaves out is as above it."""

    forms: Parts | None = None
    key_stages: Parts | None = None
    difficulties: Parts | None = None

    @field_validator("forms")
    @classmethod
    def _known_forms(cls, given: Mapping[str, Fraction] | None) -> Mapping[str, Fraction] | None:
        if given is None:
            return None
        unknown = [name for name in given if match(name, FORMS) is None]
        if unknown:
            raise ValueError(f'there is no answer form "{unknown[0]}"; choose of {" and ".join(FORMS)}')
        return {str(match(name, FORMS)): share for name, share in given.items()}


class SubjectEntry(Traits):
    """A subject: `[[subjects]]`."""

    name: Name
    size: int = Field(gt=0, le=10**9)
    """Problems wanted of it."""


class Entry(Traits):
    """One or several names below the subject: `[[topics]]`, `[[sub_topics]]`, `[[types]]`, `[[sub_types]]`."""

    under: str | tuple[str, ...]
    """Paths they stand under, such as `"Maths > Number"`; `*` is every name of its level."""
    name: Name | None = None
    names: Names | None = None
    """Several at once, as a list; a table gives each its share of what is above."""
    share: Share | None = None
    """Of what is above, of a single name; where none of its siblings has one, all get the same."""
    quota: int | None = Field(default=None, ge=0)
    """Problems wanted of a single name, in the place of a share."""


class TaxonomyFile(Section):
    """The whole file."""

    name: Name
    subjects: tuple[SubjectEntry, ...] = ()
    topics: tuple[Entry, ...] = ()
    sub_topics: tuple[Entry, ...] = ()
    types: tuple[Entry, ...] = ()
    sub_types: tuple[Entry, ...] = ()
