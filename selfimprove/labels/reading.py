"""A taxonomy read from TOML; what will not do is refused in one sentence that names the file and the key."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, NoReturn

from pydantic import BaseModel, ValidationError

from selfimprove.config.showing import shown
from selfimprove.errors import InputError, nearest
from selfimprove.installed import shipped
from selfimprove.labels.entries import ANY, BETWEEN, Entry, SubjectEntry, TaxonomyFile, Traits
from selfimprove.labels.taxonomy import LEVELS, Leaf, Subject, Taxonomy, folded

_TABLES: Final = ("subjects", "topics", "sub_topics", "types", "sub_types")
_TRAITS: Final = ("forms", "key_stages", "difficulties")
_MOST_LEAVES: Final = 100_000


def load_taxonomy(path: Path) -> Taxonomy:
    """Read a taxonomy's TOML file.

    Subjects stand in `[[subjects]]` with a name, a size, `forms`, `key_stages` and `difficulties`; what lies below in
    `[[topics]]`, `[[sub_topics]]`, `[[types]]` and `[[sub_types]]`, each under the path of its parent. Siblings share
    what is above equally, by `share`, or by `quota` (whole numbers of problems, the rest is shared).

    Raises:
        InputError: the file is missing or is not TOML; it holds an unknown key, value or parent, a name twice, a level
            with nothing in it, ratios that do not add up to one, or quotas that cannot be met.
    """
    try:
        values = tomllib.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}; name a taxonomy's TOML file") from error
    except (ValueError, RecursionError) as error:  # of the decoding and of TOML
        raise InputError(f"{path} is not valid TOML: {shown(str(error))}; mend it") from error
    return make_taxonomy(values, str(path))


def taxonomy_named(named: str) -> Taxonomy:
    """Read the taxonomy that is named: a TOML file, or one that comes with the library by its bare name.

    Raises:
        InputError: there is no such taxonomy, or it will not do.
    """
    path = Path(named)
    if path.suffix or path.exists() or len(path.parts) != 1:
        return load_taxonomy(path)
    known = {file.stem: file for file in shipped("examples/taxonomies").glob("*.toml")}
    if named not in known:
        raise InputError(f'there is no taxonomy "{named}"; {nearest(named, known)}, or name a TOML file')
    return load_taxonomy(known[named])


def make_taxonomy(values: Mapping[str, Any], where: str = "taxonomy") -> Taxonomy:
    """Check a taxonomy given as nested mappings.

    Args:
        values: as in the TOML file.
        where: what messages call it.

    Raises:
        InputError: see `load_taxonomy`.
    """
    try:
        file = TaxonomyFile.model_validate(values)
    except ValidationError as error:
        raise InputError(_sentence(error, where)) from error
    if not file.subjects:
        raise InputError(f"{where}: subjects is empty; add a [[subjects]] table with name and size")
    roots: dict[str, _Node] = {}
    for at, subject in enumerate(file.subjects):
        key = f"subjects.{at}"
        if folded(subject.name) in roots:
            _refuse(where, f"{key}.name", subject.name, "a subject has that name already; give it another")
        roots[folded(subject.name)] = _Node(subject.name, key, subject, quota=subject.size)
    for depth, table in enumerate(_TABLES[1:], 1):
        for at, entry in enumerate(getattr(file, table)):
            _place(entry, f"{table}.{at}", roots, depth, where)
    leaves = tuple(leaf for root in roots.values() for leaf in _leaves(root, (), Fraction(root.quota or 0), {}, where))
    if len(leaves) > _MOST_LEAVES:
        raise InputError(f"{where}: {len(leaves):,} sub-types are more than {_MOST_LEAVES:,}; make fewer")
    subjects = tuple(Subject(name=each.name, size=each.size) for each in file.subjects)
    return Taxonomy(name=file.name, subjects=subjects, leaves=leaves)


@dataclass
class _Node:
    """A name with what the file says of it, while it is read."""

    name: str
    key: str
    traits: Traits
    share: Fraction | None = None
    quota: int | None = None
    below: dict[str, _Node] = field(default_factory=dict)


def _refuse(where: str, key: str, value: object, reason: str) -> NoReturn:
    raise InputError(f"{where}: {key} = {shown(repr(value))} will not do: {reason}")


def _place(entry: Entry, key: str, roots: dict[str, _Node], depth: int, where: str) -> None:
    """Hang the names of an entry under each of its parents."""
    if (entry.name is None) == (entry.names is None):
        _refuse(where, f"{key}.name", entry.name, "a table needs either name or names")
    if entry.names and (entry.share is not None or entry.quota is not None):
        _refuse(
            where, f"{key}.names", list(entry.names), "share and quota are for a name; give names a table of shares"
        )
    if entry.share is not None and entry.quota is not None:
        _refuse(where, f"{key}.quota", entry.quota, "it has a share too; give one of the two")
    if not entry.under:
        _refuse(where, f"{key}.under", entry.under, 'it names no parent; write a path such as "Maths > Number"')
    named = entry.names or {entry.name or "": entry.share}
    for under in (entry.under,) if isinstance(entry.under, str) else entry.under:
        for parent in _parents(under, f"{key}.under", roots, depth, where):
            for name, share in named.items():
                if folded(name) in parent.below:
                    _refuse(where, f"{key}.name", name, f'"{parent.name}" holds that name already; give it another')
                parent.below[folded(name)] = _Node(name, key, entry, share, entry.quota)


def _parents(under: str, key: str, roots: dict[str, _Node], depth: int, where: str) -> list[_Node]:
    """Find every node of a path, `*` being all of a level."""
    names = [" ".join(part.split()) for part in under.split(BETWEEN)]
    if len(names) != depth:
        levels = f" {BETWEEN} ".join(LEVELS[:depth])
        _refuse(where, key, under, f"it names {len(names)} level(s), and what stands there is under {levels}")
    found, rows = [], [roots]
    for level, name in zip(LEVELS, names, strict=False):
        found = [node for row in rows for folds, node in row.items() if name == ANY or folds == folded(name)]
        if not found:
            known = [node.name for row in rows for node in row.values()]
            hint = nearest(name, known) if known else "there is nothing on that level"
            _refuse(where, key, under, f'there is no {level.replace("_", "-")} "{name}" above it; {hint}')
        rows = [node.below for node in found]
    return found


def _leaves(
    node: _Node, above: tuple[str, ...], wanted: Fraction, traits: Mapping[str, Mapping[str, Fraction]], where: str
) -> Iterator[Leaf]:
    """Walk the sub-types below a node, each with what is wanted of it."""
    path = (*above, node.name)
    traits = {name: getattr(node.traits, name) or traits.get(name, {}) for name in _TRAITS}
    if len(path) == len(LEVELS):
        for name, given in traits.items():
            if not given:
                raise InputError(f'{where}: {name} is set nowhere for "{_written(path)}"; set it in [[subjects]]')
        yield Leaf.model_validate({"path": path, "wanted": wanted, **traits})
        return
    if not node.below:
        table = _TABLES[len(path)]
        raise InputError(
            f'{where}: {node.key}: "{_written(path)}" has no {table.replace("_", "-")}; add a [[{table}]] table with '
            f'under = "{_written(path)}"'
        )
    for child, part in _divided(node, path, wanted, where):
        yield from _leaves(child, path, part, traits, where)


def _divided(node: _Node, path: tuple[str, ...], wanted: Fraction, where: str) -> list[tuple[_Node, Fraction]]:
    """Divide what is wanted of a node among those below it: quotas first, the rest by shares."""
    children = list(node.below.values())
    fixed = sum(child.quota for child in children if child.quota is not None)
    free = [child for child in children if child.quota is None]
    if fixed > wanted or (not free and fixed != wanted):
        key = next(child.key for child in children if child.quota is not None)
        raise InputError(
            f'{where}: {key}.quota: the quotas under "{_written(path)}" add up to {fixed:,} and cannot be met, as '
            f"{_number(wanted)} are wanted there; change them or the size above"
        )
    given = [child.share for child in free if child.share is not None]
    if given and len(given) != len(free):
        lacking = next(child for child in free if child.share is None)
        raise InputError(
            f'{where}: {lacking.key}: "{lacking.name}" has no share and others under "{_written(path)}" have; give '
            "each one, or none"
        )
    if given and sum(given) != 1:
        raise InputError(
            f'{where}: {free[0].key}: the shares under "{_written(path)}" add up to {float(sum(given)):.6g}, not to 1; '
            'correct them (1/7 is written "1/7")'
        )
    rest, even = wanted - fixed, Fraction(1, len(free) or 1)
    return [
        (child, Fraction(child.quota) if child.quota is not None else rest * (even if not given else child.share or 0))
        for child in children
    ]


def _written(path: tuple[str, ...]) -> str:
    return f" {BETWEEN} ".join(path)


def _number(wanted: Fraction) -> str:
    return f"{int(wanted):,}" if wanted.denominator == 1 else f"{float(wanted):,.2f}"


def _sentence(error: ValidationError, where: str) -> str:
    found = error.errors()
    first = next((each for each in found if each["type"] == "extra_forbidden"), found[0])  # why another may be missing
    path = [str(part) for part in first["loc"] if not str(part).startswith(("str", "tuple", "function-"))]
    key = shown(".".join(path))
    if first["type"] == "extra_forbidden":
        return f'{where}: there is no key "{key}"; {nearest(path[-1], _known_at(path[:-1]))}'
    if first["type"] == "missing":
        return f"{where}: {key} is missing; add it"
    reason = first["msg"].removeprefix("Value error, ")
    return f"{where}: {key} = {shown(repr(first['input']))} will not do: {reason[0].lower()}{reason[1:]}"


def _known_at(path: list[str]) -> list[str]:
    kind: type[BaseModel] = TaxonomyFile if not path else SubjectEntry if path[0] == "subjects" else Entry
    return list(kind.model_fields)
