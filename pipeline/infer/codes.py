"""Code sets of a sample: words that are few and repeated.

A word that fewer than five rows have is never shown, unless it is a word everybody uses (`female`,
`N`): a rare word can point at one person.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

from pipeline.contract.loading import BUILT_IN, load_contracts
from pipeline.infer.facts import ColumnFacts
from pipeline.infer.labels import is_code, is_free_text
from pipeline.infer.model import FieldProposal, Setting
from pipeline.standardize.text import fold

MOST_CODES = 20
FEWEST_OF_A_CODE = 2
SHOWN_FROM = 5
_LONGEST_CODE = 40


def as_codes(
    facts: ColumnFacts, words: tuple[str, ...], setting: Setting, proposal: FieldProposal
) -> bool:
    """Propose `categories`, or a code set where some words may not be shown."""
    if not are_codes(facts, words, proposal) or facts.texts is None:
        return False
    shown, hidden = _shown(facts.texts)
    if not shown:
        proposal.notes.append(
            f"{len(facts.texts)} words that repeat, none of them in {SHOWN_FROM} rows: they are "
            "not shown, because a rare word can point at one person."
        )
        return True
    if not hidden:
        proposal.extra["categories"] = [
            {"value": value, **({"aliases": aliases} if aliases else {})}
            for value, aliases in shown
        ]
        return True
    proposal.codeset = {value: {"aliases": aliases} if aliases else {} for value, aliases in shown}
    proposal.extra["codes"] = {"set": f"{proposal.name}_codes", "unknown": "keep"}
    proposal.notes.append(
        f"{hidden} further word{'s' if hidden > 1 else ''} of the sample occur in fewer than "
        f"{SHOWN_FROM} rows and are not shown: a rare word can point at one person. "
        "Unknown words are kept as they are until you write unknown: reject."
    )
    return True


def are_codes(facts: ColumnFacts, words: tuple[str, ...], proposal: FieldProposal) -> bool:
    """True when the words are few and repeated, and are no names, sentences or numbers."""
    if facts.texts is None or proposal.is_personal or is_free_text(words):
        return False
    counts = _by_meaning(facts.texts)
    few = 1 <= len(counts) <= MOST_CODES
    repeated = all(sum(texts.values()) >= FEWEST_OF_A_CODE for texts in counts.values())
    short = facts.longest <= _LONGEST_CODE and all(any(map(str.isalnum, one)) for one in counts)
    with_digits = sum(any(c.isdigit() for c in meaning) for meaning in counts)
    are_numbered = with_digits * 2 > len(counts) and not is_code(words)
    return few and repeated and short and not are_numbered


def _by_meaning(texts: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """Spellings that fold to one word, the most frequent spelling first."""
    found: dict[str, dict[str, int]] = {}
    for text, count in sorted(texts.items(), key=lambda item: (-item[1], item[0])):
        found.setdefault(fold(text), {})[text] = count
    return found


def _shown(texts: Mapping[str, int]) -> tuple[list[tuple[str, list[str]]], int]:
    """The words that may be shown, each with nothing but itself, and how many may not."""
    shown: list[tuple[str, list[str]]] = []
    hidden = 0
    for meaning, spellings in sorted(_by_meaning(texts).items()):
        if sum(spellings.values()) >= SHOWN_FROM or meaning in common_words():
            shown.append((next(iter(spellings)), []))
        else:
            hidden += 1
    return shown, hidden


@cache
def common_words() -> frozenset[str]:
    """The words of the code sets that come with the program, folded: they name no person."""
    return frozenset(fold(word) for word in _words_of_code_sets())


def _words_of_code_sets() -> Iterator[str]:
    for contract in load_contracts(BUILT_IN).values():
        for described in contract.fields:
            for category in described.categories or ():
                yield from (category.value, *category.aliases)
        for entries in contract.codesets.values():
            for code, entry in entries.items():
                yield from (code, *entry.aliases)
