"""The folder of confirmed mappings: versioned files, added to and marked, never deleted.

A new version gets the next number by a rename that cannot overwrite; those it replaces are marked
`retired` afterwards. Storing the same answer again finds the file of the first time.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from collections.abc import Mapping as Named
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from daemon.folders.files import fsync_dir, rename_noreplace, write_atomically, write_durably
from pipeline.contract.loading import Contract, load_contracts
from pipeline.contract.yaml_file import read_located
from pipeline.errors import PipelineError
from pipeline.mapping.files import SUFFIX, next_name, numbered, parse_mapping
from pipeline.mapping.model import Asked, Mapping
from pipeline.mapping.rules import cross_check
from pipeline.mapping.text import confirmed_text, plain_document, retired_text
from pipeline.review.answers import AnswerError, apply_answers

_MAKES_FIELDS = ("contract", "delimiter", "header", "field:", "column:")
"""Questions without whose answers a mapping is not whole enough to be checked."""
_ENDINGS = (SUFFIX, SUFFIX.replace(".yaml", ".yml"))


class AnswerRefused(Exception):
    """An answer cannot be used; `mistakes` has a sentence for each reason, with file and line."""

    def __init__(self, *mistakes: str) -> None:
        super().__init__(*mistakes)
        self.mistakes = mistakes


class MappingShelf:
    """The confirmed mappings of one service. One thread uses it."""

    def __init__(self, folder: Path, contracts_dir: str) -> None:
        self._folder = folder
        self._contracts_dir = Path(contracts_dir)

    def place(self, name: str) -> Path:
        """Where the mapping file of this name lies."""
        return self._folder / Path(name).name

    def says_confirmed(self, content: bytes, name: str) -> bool:
        """Whether a saved file is an answer: it has no mistakes and its status is confirmed.

        Raises:
            AnswerRefused: it has mistakes.
        """
        return _parsed(content, name).status == "confirmed"

    def store(
        self,
        content: bytes,
        name: str,
        answers: Named[str, str],
        *,
        by: str,
        at_s: float,
        layout: str | None,
        mode: int,
    ) -> str:
        """Confirm a mapping and keep it as a new version of its source. Idempotent, durable.

        `content` is the text of a file called `name`; its comments stay. `layout` is added to
        the fingerprints it is for. Returns the name of the file that holds it now.

        Raises:
            AnswerRefused: mistakes, unknown answers, or questions that are still open.
            OSError: it cannot be written.
        """
        mapping = self._settled(content, name, answers)
        mapping = mapping.model_copy(update={"source": self._source_for(mapping, layout)})
        text = content.decode("utf-8-sig")
        text = confirmed_text(text, mapping, by=by, at=_iso(at_s), layout=layout)
        stored = self._same(_parsed(text.encode(), name))
        if stored is None:
            stored = self._add(text, mapping.source, mode)
        self._retire(mapping.source, numbered(stored)[1])
        return stored

    def _settled(self, content: bytes, name: str, answers: Named[str, str]) -> Mapping:
        """The mapping with every question answered and no mistake left."""
        contracts = self._contracts()
        try:
            mapping = apply_answers(_parsed(content, name), answers)
        except AnswerError as error:
            raise AnswerRefused(*error.problems) from None
        located = read_located(name, content)  # answers keep the columns in their places
        mistakes = [_still_open(question) for question in mapping.questions]
        if not any(question.key.startswith(_MAKES_FIELDS) for question in mapping.questions):
            cross_check(mapping, contracts, located)
            mistakes += map(str, located.problems)
        if mistakes:
            raise AnswerRefused(*mistakes)
        return mapping

    def _contracts(self) -> Named[str, Contract]:
        try:
            return load_contracts(self._contracts_dir)
        except PipelineError as error:
            raise AnswerRefused(*(error.details or (error.note,))) from None

    def _source_for(self, mapping: Mapping, layout: str | None) -> str:
        """Its own name, or the next free one if that is the name of another layout's mapping.

        Of each source only the newest version counts, so another layout needs another name.
        """
        for number in count(1):
            source = mapping.source if number == 1 else f"{mapping.source[:76]}-{number}"
            newest = next((one for _, one in self._versions(source) if _counts(one)), None)
            if newest is None or _is_for(newest, mapping, layout):
                return source
        raise AssertionError("unreachable")

    def _same(self, mapping: Mapping) -> str | None:
        """The newest confirmed version of its source, if it says exactly the same."""
        for path, known in self._versions(mapping.source):
            if _counts(known):
                return path.name if _content(known) == _content(mapping) else None
        return None

    def _add(self, text: str, source: str, mode: int) -> str:
        self._folder.mkdir(parents=True, exist_ok=True)
        partial = self._folder / f".harmonizer-{source}.partial"
        write_durably(partial, text.encode(), mode)
        while True:
            name = next_name(source, self._names())
            with contextlib.suppress(FileExistsError):
                rename_noreplace(partial, self._folder / name)
                fsync_dir(self._folder)
                return name

    def _retire(self, source: str, newest: int) -> None:
        """Mark the older confirmed versions; they stay, for whoever asks what was in force when."""
        for path, mapping in self._versions(source):
            if _counts(mapping) and numbered(path.name)[1] < newest:
                text = retired_text(path.read_text(encoding="utf-8-sig"), mapping)
                write_atomically(path, text.encode(), path.stat().st_mode & 0o777)

    def _versions(self, source: str) -> Iterator[tuple[Path, Mapping]]:
        """The readable versions of a source, newest first."""
        names = [name for name in self._names() if numbered(name)[0] == source]
        for name in sorted(names, key=lambda one: -numbered(one)[1]):
            mapping, _ = parse_mapping(name, (self._folder / name).read_bytes())
            if mapping is not None:
                yield self._folder / name, mapping

    def _names(self) -> list[str]:
        try:
            return [path.name for path in self._folder.iterdir() if path.name.endswith(_ENDINGS)]
        except FileNotFoundError:
            return []


def _parsed(content: bytes, name: str) -> Mapping:
    mapping, problems = parse_mapping(name, content)
    if mapping is None:
        raise AnswerRefused(*map(str, problems))
    return mapping


def _still_open(question: Asked) -> str:
    known = f"; answers: {', '.join(question.answers)}" if question.answers else ""
    return f"the question '{question.key}' is still open, see questions.txt{known}"


def _counts(mapping: Mapping) -> bool:
    return mapping.status == "confirmed"


def _is_for(old: Mapping, new: Mapping, layout: str | None) -> bool:
    """Whether both are for files with the same labels, so that the newer takes over."""
    if {*new.match.fingerprint, layout} & set(old.match.fingerprint):
        return True
    return old.match.labels == new.match.labels and old.labels == new.labels


def _content(mapping: Mapping) -> dict[str, object]:
    """Everything it says but who said yes and when."""
    return {key: value for key, value in plain_document(mapping).items() if key != "confirmed"}


def _iso(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).astimezone().isoformat(timespec="seconds")
