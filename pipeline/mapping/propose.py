"""What the columns of a file nobody knows may mean: proposals for a person, never decisions.

Names are compared first (whole names, then likeness), then values: those that do not fit veto the
pair, those that do speak for it. All pairs are solved together. Without a name nothing gets more
than 0.6, and whatever is proposed here is asked.

Values that fit nearly everywhere (texts, identifiers, codes of one letter) propose nothing by
themselves: a column of weights is no provider number because it may be written like one. Only for
a required field, which must have a column, and for a column whose own name is wrong they do.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from pipeline.contract.loading import Contract
from pipeline.formula.evaluate import Moment
from pipeline.kinds import kind_of
from pipeline.mapping.assign import assign
from pipeline.mapping.by_name import FUZZY_CONFIDENCE, ColumnMapping, Match
from pipeline.mapping.fit import STRONG, Fit, Sample
from pipeline.mapping.otherlanguages import in_english
from pipeline.standardize.text import fold

_LEAST = 0.22
"""What a pair must have to be worth proposing; a required field takes less."""
_LEAST_REQUIRED = 0.12
_VETOED = 0.3
_WORTH_A_LOOK = 0.5
_LITTLE = 0.3
_ALTERNATIVES = 6
_FOREIGN = 0.9
"""How alike a heading of another language is to the field's English one."""
_ONLY_ONE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What a contract could make of a file.

    columns: known columns and proposed ones together. candidates: required field without a column
    -> places of columns that may feed it. alternatives: place of a proposed column -> other fields
    it may feed, best first. weight: how much speaks for it. named: how many columns are known by
    their whole names, strong: how many by their values. hints: place of a column that nothing is
    proposed for -> coded fields whose codes it may hold.
    """

    columns: ColumnMapping
    candidates: dict[str, tuple[int, ...]]
    alternatives: dict[int, tuple[str, ...]]
    weight: float
    named: int
    strong: int
    hints: dict[int, tuple[str, ...]] = field(default_factory=dict)

    @property
    def is_feasible(self) -> bool:
        """True when every required field has a column, or one that may be it."""
        return all(self.candidates.get(name) for name in self.columns.missing_required)


def propose(
    sample: Sample,
    contract: Contract,
    known: ColumnMapping,
    moment: Moment,
    *,
    vetoed: Collection[str] = (),
    old: Mapping[str, str] | None = None,
    only: Collection[int] | None = None,
) -> Proposal:
    """Propose columns for the fields that have none.

    vetoed: fields whose column is something else. old: field -> label of the column that fed it
    until now. only: places of columns that may be proposed; all unclaimed ones without it.
    """
    kept = {name: match for name, match in known.matched.items() if name not in vetoed}
    ruled_out = {(known.matched[name].position, name) for name in vetoed}
    disputed = {at for places in known.conflicts.values() for at in places}
    taken = {match.position for match in kept.values()} | set(known.ignored) | disputed
    free = [
        at
        for at in range(len(sample.header))
        if at not in taken and (only is None or at in only or at in {p for p, _ in ruled_out})
    ]
    split = {
        target
        for name in kept
        if (rule := contract.field(name).split) is not None
        for target in rule.targets().values()
    }
    open_fields = [name for name in contract.field_names if name not in kept and name not in split]
    pairs = {
        (at, name): _score(at, name, sample, contract, moment, old or {})
        for at in free
        for name in open_fields
        if (at, name) not in ruled_out
    }
    misfits = {at for at, _ in ruled_out}
    chosen = _chosen(pairs, contract, misfits)
    matches = {name: _match(at, name, pairs, open_fields) for name, at in chosen.items()}
    matches |= _only_candidates(sample, contract, moment, free, {**kept, **matches}, ruled_out)
    return _proposal(sample, contract, moment, known, kept, matches, ruled_out, pairs)


def _chosen(
    pairs: Mapping[tuple[int, str], _Score], contract: Contract, misfits: Collection[int]
) -> dict[str, int]:
    """A column for each field: first where something speaks for it, then for want of another."""
    worth = _worth(pairs, contract, misfits)
    borne_out = {pair for pair in worth if pairs[pair].is_borne_out or pair[0] in misfits}
    chosen = assign({pair: worth[pair] for pair in worth if pair in borne_out})
    used = set(chosen.values())
    needed = {at for name, at in chosen.items() if worth[at, name] >= 1}
    # A required field may take what only an optional one claims, for want of another column.
    late = assign(
        {
            (at, name): value + (at not in used)
            for (at, name), value in worth.items()
            if value >= 1 and name not in chosen and at not in needed
        }
    )
    taken = set(late.values())
    return {name: at for name, at in chosen.items() if at not in taken} | late


def _worth(
    pairs: Mapping[tuple[int, str], _Score], contract: Contract, misfits: Collection[int]
) -> dict[tuple[int, str], float]:
    """What each pair adds: required fields first, and parts of other cells only by their name."""
    required = {one.name for one in contract.fields if one.constraints.required}
    parts = contract.derived_fields()
    return {
        (at, name): score.confidence + (1.0 if name in required else 0.0)
        for (at, name), score in pairs.items()
        if score.confidence >= (_LEAST_REQUIRED if name in required or at in misfits else _LEAST)
        and (name not in parts or score.likeness >= _WORTH_A_LOOK)
    }


def _only_candidates(
    sample: Sample,
    contract: Contract,
    moment: Moment,
    free: Collection[int],
    matched: Mapping[str, Match],
    ruled_out: Collection[tuple[int, str]],
) -> dict[str, Match]:
    """Required fields that only one column can feed, because all others are something else."""
    found: dict[str, Match] = {}
    taken = {match.position for match in matched.values()}
    for described in contract.fields:
        name = described.name
        if not described.constraints.required or name in matched:
            continue
        candidates = [
            at
            for at in free
            if at not in taken
            and (at, name) not in ruled_out
            and _may_be(sample, at, name, contract, moment)
        ]
        if len(candidates) == 1:
            taken.add(candidates[0])
            found[name] = Match(
                position=candidates[0],
                how="proposed",
                confidence=_ONLY_ONE,
                margin=_ONLY_ONE,
                reasons=("no other column can be it",),
            )
    return found


@dataclass(frozen=True, slots=True)
class _Score:
    confidence: float
    fit: Fit
    likeness: float
    reasons: tuple[str, ...]
    fed_until_now: bool = False

    @property
    def is_borne_out(self) -> bool:
        """True when more than values that fit nearly everywhere speaks for the pair."""
        is_alike = self.likeness >= _WORTH_A_LOOK or self.fed_until_now
        return is_alike or self.fit.telling >= STRONG

    @property
    def is_strong(self) -> bool:
        """True when the values speak for the pair by themselves, or bear out a similar name."""
        is_telling = self.fit.telling >= STRONG or self.likeness >= _WORTH_A_LOOK
        return is_telling and self.fit.speaks >= 0.9 * self.fit.telling


def _score(
    at: int,
    name: str,
    sample: Sample,
    contract: Contract,
    moment: Moment,
    old: Mapping[str, str],
) -> _Score:
    """Names and values of one pair. Only likeness: a whole name would have been accepted."""
    fit = sample.fit(at, name, contract, moment)
    likeness = _likeness(sample.header[at], contract, name)
    confidence = 0.3 * likeness + 0.4 * fit.speaks
    reasons = []
    if fit.values:
        many = "all" if fit.share == 1 else f"{fit.share:.0%} of the"
        fitting = "value looked at fits" if fit.values == 1 else "values looked at fit"
        reasons.append(f"{many} {fit.values} {fitting}" if fit.values > 1 else f"the {fitting}")
    if likeness >= _WORTH_A_LOOK:
        reasons.append("the name is similar")
    if name in old:
        confidence += 0.2
        reasons.append(f"'{old[name]}' fed it until now and is gone")
    confidence = min(confidence, FUZZY_CONFIDENCE)
    if fit.is_vetoed or not fit.values:
        confidence = 0.0 if fit.share == 0 else min(confidence, _VETOED) * fit.share
    return _Score(round(confidence, 3), fit, likeness, tuple(reasons), name in old)


def _likeness(label: str, contract: Contract, name: str) -> float:
    """How alike the label is to any name of a field, 0 to 1; the last words of it count less."""
    folded = fold(label)
    if not folded:
        return 0.0
    described = contract.field(name)
    headings = [fold(heading) for heading in described.headings]
    best = max(difflib.SequenceMatcher(None, folded, one).ratio() for one in headings)
    tails = {" ".join(folded.split()[-length:]) for length in (1, 2)}
    english = in_english(label)
    told = 0.0 if english is None else _FOREIGN * (english in headings)
    return max(best, 0.8 if tails & set(headings) else 0.0, told)


def _match(
    at: int,
    name: str,
    pairs: Mapping[tuple[int, str], _Score],
    open_fields: Collection[str],
) -> Match:
    score = pairs[at, name]
    others = [one for one in open_fields if one != name]
    rivals = [
        *(one.confidence for (other, of), one in pairs.items() if of == name and other != at),
        *(pairs[at, of].confidence for of in others if (at, of) in pairs),
    ]
    return Match(
        position=at,
        how="proposed",
        confidence=score.confidence,
        margin=round(max(0.0, score.confidence - max(rivals, default=0.0)), 3),
        reasons=score.reasons,
    )


def _proposal(
    sample: Sample,
    contract: Contract,
    moment: Moment,
    known: ColumnMapping,
    kept: dict[str, Match],
    matches: dict[str, Match],
    ruled_out: Collection[tuple[int, str]],
    pairs: Mapping[tuple[int, str], _Score],
) -> Proposal:
    matched = {**kept, **matches}
    taken = {match.position for match in matched.values()}
    unclaimed = tuple(
        at
        for at in range(len(sample.header))
        if at not in taken and at not in known.ignored and at not in known.kept
    )
    missing = tuple(
        field.name
        for field in contract.fields
        if field.constraints.required
        and field.name not in matched
        and field.name not in _provided(matched, contract)
    )
    columns = replace(
        known,
        matched=matched,
        conflicts={name: at for name, at in known.conflicts.items() if name not in matched},
        missing_required=missing,
        rescued=tuple(at for at in unclaimed if at in known.rescued or _is_free(at, known)),
    )
    candidates = {
        name: tuple(
            at
            for at in unclaimed
            if (at, name) not in ruled_out and _may_be(sample, at, name, contract, moment)
        )
        for name in missing
    }
    strong = sum(
        1
        for name, match in matches.items()
        if (score := pairs.get((match.position, name))) is not None and score.is_strong
    )
    told = {
        name: _told(match, pairs.get((match.position, name))) for name, match in matched.items()
    }
    required = [field.name for field in contract.fields if field.constraints.required]
    fed = sum(told.get(name, 0.0) for name in required)
    weight = fed / len(required) if required else 0.0
    weight += 0.5 * sum(told.values()) / max(len(sample.header), 1)
    return Proposal(
        columns=columns,
        candidates=candidates,
        alternatives=_alternatives(matches, pairs),
        weight=weight,
        named=len(kept),
        strong=strong,
        hints=_hints(unclaimed, pairs, contract),
    )


def _hints(
    unclaimed: Collection[int], pairs: Mapping[tuple[int, str], _Score], contract: Contract
) -> dict[int, tuple[str, ...]]:
    """Coded fields that know values of a column nothing claims, when one knows most of them."""
    found: dict[int, list[tuple[float, str]]] = {}
    for (at, name), score in pairs.items():
        is_coded = kind_of(contract.field(name)) in ("code", "category")
        if at in unclaimed and is_coded and score.fit.share > 0:
            found.setdefault(at, []).append((-score.fit.share, name))
    return {
        at: tuple(name for _, name in sorted(ranked))
        for at, ranked in found.items()
        if -min(ranked)[0] >= _WORTH_A_LOOK
    }


def _told(match: Match, score: _Score | None) -> float:
    """How much a match says about the contract: texts fit everywhere, so they say little."""
    if score is None or score.fit.telling >= STRONG or score.likeness >= _WORTH_A_LOOK:
        return match.confidence
    return _LITTLE * match.confidence


def _alternatives(
    matches: Mapping[str, Match], pairs: Mapping[tuple[int, str], _Score]
) -> dict[int, tuple[str, ...]]:
    found: dict[int, tuple[str, ...]] = {}
    for name, match in matches.items():
        others = [
            (score.confidence, other)
            for (at, other), score in pairs.items()
            if at == match.position and other != name and score.confidence > 0
        ]
        ranked = sorted(others, key=lambda one: (-one[0], one[1]))
        found[match.position] = tuple(other for _, other in ranked[:_ALTERNATIVES])
    return found


def _is_free(at: int, known: ColumnMapping) -> bool:
    """True for a column that lost its field, so that nothing claims it now."""
    return any(match.position == at for match in known.matched.values())


def _provided(matched: Mapping[str, Match], contract: Contract) -> set[str]:
    return {
        target
        for name in matched
        if (rule := contract.field(name).split) is not None
        for target in rule.targets().values()
    }


def _may_be(sample: Sample, at: int, name: str, contract: Contract, moment: Moment) -> bool:
    """Whether a person may want to say that a column is a field: its values do not forbid it.

    Codes that are all unknown can be told one by one, when they are words that repeat.
    """
    fit = sample.fit(at, name, contract, moment)
    if not fit.values:
        return False
    if kind_of(contract.field(name)) in ("code", "category", "boolean"):
        numbers = _is_typed(sample, at)
        return not numbers and (fit.share > 0 or fit.repeats > 0 or fit.values < 20)
    return not fit.is_vetoed


def _is_typed(sample: Sample, at: int) -> bool:
    """True for a column of numbers or dates: no codes stand there."""
    cells = [cell for cell in sample.cells(at, 50) if cell]
    digits = sum(1 for cell in cells if sum(map(str.isdigit, cell)) * 2 > len(cell))
    return digits * 2 > len(cells)
