"""Which columns a confirmed mapping means in a file, and which mapping a file belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from pipeline.contract.loading import Contract
from pipeline.mapping.by_name import ColumnMapping, Match, map_columns
from pipeline.mapping.layout import label_key, labels_fingerprint, overlap, path_fits
from pipeline.mapping.model import MappedField, Mapping
from pipeline.mapping.sourcewords import SourceWords

ENOUGH_OVERLAP = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """A mapping's columns in a file.

    columns: by field, as `map_columns` gives them. fields: position -> what the mapping says of
    it. absent: columns of the mapping that feed a field and are not in the file. new: positions of
    columns the mapping does not name.
    """

    columns: ColumnMapping
    fields: dict[int, MappedField]
    absent: tuple[MappedField, ...]
    new: tuple[int, ...]


def locate(
    mapping: Mapping,
    header: Sequence[str],
    contract: Contract,
    *,
    consumed: frozenset[int] = frozenset(),
) -> Located:
    """Find the mapping's columns. The last columns of `header` are those of its constants.

    consumed: positions of columns whose cells are read in another way, as those of wide tables.
    """
    constants = {
        name: len(header) - len(mapping.constants) + n for n, name in enumerate(mapping.constants)
    }
    named = {at: label for at, label in enumerate(header) if at not in constants.values()}
    fields = _places(mapping, named)
    found = {id(field) for field in fields.values()}
    matched = {
        name: Match(
            position=at,
            how="mapping",
            confidence=1.0 if field.confidence is None else field.confidence,
            margin=1.0 if field.margin is None else field.margin,
            words=SourceWords.of(field, repair=mapping.repairs),
            reasons=field.evidence,
        )
        for at, field in fields.items()
        for name in field.to
    }
    matched |= {
        name: Match(position=at, how="mapping", confidence=1.0) for name, at in constants.items()
    }
    new = tuple(at for at in named if at not in fields and at not in consumed)
    by_name = map_columns(tuple(header[at] if at in new else "" for at in named), contract)
    for name, match in by_name.matched.items():
        if name not in matched and (mapping.fields == () or match.position in new):
            matched[name] = _with_repair(match, mapping)
    taken = {match.position for match in matched.values()}
    provided = _provided(matched, contract)
    return Located(
        columns=ColumnMapping(
            contract=contract.name,
            matched=matched,
            conflicts={name: at for name, at in by_name.conflicts.items() if name not in matched},
            missing_required=tuple(
                field.name
                for field in contract.fields
                if field.constraints.required and field.name not in provided
            ),
            rescued=tuple(
                at
                for at in named
                if at not in taken
                and at not in consumed
                and not (at in fields and (fields[at].ignore or fields[at].rescue))
            ),
            suggestions={at: one for at, one in by_name.suggestions.items() if at in new},
            ignored=tuple(at for at, field in fields.items() if field.ignore),
            kept=tuple(at for at, field in fields.items() if field.rescue),
        ),
        fields=fields,
        absent=tuple(field for field in mapping.fields if field.to and id(field) not in found),
        new=new,
    )


def _with_repair(match: Match, mapping: Mapping) -> Match:
    words = replace(match.words, repair=mapping.repairs)
    return replace(match, words=words)


def _places(mapping: Mapping, named: dict[int, str]) -> dict[int, MappedField]:
    """Position -> field; labels that stand twice are told apart by their place."""
    free: dict[str, list[int]] = {}
    for at, label in named.items():
        free.setdefault(label_key(label), []).append(at)
    places: dict[int, MappedField] = {}
    for field in sorted(mapping.fields, key=lambda one: one.position is None):
        candidates = free.get(label_key(field.name), [])
        wanted = None if field.position is None else field.position - 1
        place = wanted if wanted in candidates else next(iter(candidates), None)
        if wanted is not None and len(candidates) > 1 and wanted not in candidates:
            place = None
        if place is not None:
            candidates.remove(place)
            places[place] = field
    return places


def _provided(matched: Iterable[str], contract: Contract) -> set[str]:
    provided = set(matched)
    for name in list(provided):
        split = contract.field(name).split
        provided |= set(split.targets().values()) if split is not None else set()
    return provided


def labels_fit(mapping: Mapping, header: Sequence[str]) -> bool:
    """True when a file has just the labels that the mapping names."""
    if not mapping.fields:
        return mapping.match.labels == labels_fingerprint(header)
    return labels_fingerprint(mapping.labels) == labels_fingerprint(header)


def nearest_mapping(
    mappings: Iterable[Mapping], header: Sequence[str], source_path: str
) -> Mapping | None:
    """The confirmed mapping that shares at least 80 % of its labels with a file, if any."""
    ranked = sorted(
        (
            (overlap(mapping, header), mapping)
            for mapping in mappings
            if mapping.fields and path_fits(mapping, source_path)
        ),
        key=lambda one: -one[0],
    )
    if not ranked or ranked[0][0] < ENOUGH_OVERLAP:
        return None
    return ranked[0][1]
