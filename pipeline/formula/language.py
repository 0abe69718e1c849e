"""The formulas of contracts: read and typed when the contract is loaded, never run as Python.

A formula is a yes/no question about one row, such as `birth_date <= today()`. What it may say is
only what stands in this module. Everything a computer can know without data is an error at load
time: an unknown field or function, a date compared with a number, a word that is no code.

    or, and, not            = != < <= > >=            is null, is not null
    in (...), not in (...)  + - * /                   today() now() age(date) length(text)
                                                      abs(number) lower(text) upper(text)

Two dates subtracted give days. A text beside a date is read as a date (YYYY-MM-DD).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from pipeline.formula.terms import (
    FUNCTIONS,
    Among,
    Binary,
    Call,
    Column,
    Expression,
    FieldRef,
    FormulaError,
    Kind,
    Literal,
    calculate,
    compare,
    fields_of,
    invert,
    nearest,
    need,
)

__all__ = ["Column", "Expression", "FormulaError", "Kind", "parse_check"]

_WORDS = frozenset({"and", "or", "not", "is", "in", "null", "true", "false"})
_YES_NO = {"true": True, "false": False}
_MAX_TOKENS = 250  # keeps the expression tree far below Python's recursion limit
_MAX_DEPTH = 40
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)
    | (?P<text>'[^']*'|"[^"]*")
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<operator><=|>=|!=|<>|==|[=<>+\-*/(),])
    )""",
    re.VERBOSE,
)


def parse_check(text: str, columns: Mapping[str, Column]) -> Expression:
    """Read a yes/no formula over `columns`.

    Raises:
        FormulaError: it is not a formula, not about these columns, or not a yes/no question.
    """
    expression = _Parser(text, columns).parse()
    if expression.kind is not Kind.YES_NO:
        raise FormulaError(f"this is {expression.kind}, not a yes/no question")
    if not fields_of(expression):
        raise FormulaError("it names no field, so it says nothing about a row")
    return expression


class _Parser:
    """Recursive descent; each method reads one level of precedence, loosest first."""

    def __init__(self, text: str, columns: Mapping[str, Column]) -> None:
        self._tokens = _tokens(text)
        self._at = 0
        self._depth = 0
        self._columns = columns

    def parse(self) -> Expression:
        expression = self._either()
        if self._at < len(self._tokens):
            raise FormulaError(f"'{self._tokens[self._at][1]}' does not belong there")
        return expression

    def _either(self) -> Expression:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise FormulaError("it is nested too deeply")
        found = self._logic("or", lambda: self._logic("and", self._negated))
        self._depth -= 1
        return found

    def _logic(self, word: str, operand: Callable[[], Expression]) -> Expression:
        left = operand()
        while self._take_word(word):
            right = operand()
            need(left, Kind.YES_NO, f"'{word}'")
            need(right, Kind.YES_NO, f"'{word}'")
            left = Binary(word, left, right, Kind.YES_NO)
        return left

    def _negated(self) -> Expression:
        negations = 0
        while self._take_word("not"):
            negations += 1
        found = self._comparison()
        if negations:
            need(found, Kind.YES_NO, "'not'")
        return invert(found) if negations % 2 else found

    def _comparison(self) -> Expression:
        left = self._sum()
        if self._take_word("is"):
            negated = self._take_word("not")
            if not self._take_word("null"):
                raise FormulaError("after 'is' stands 'null' or 'not null'")
            found = Call("is null", (left,), Kind.YES_NO)
            return invert(found) if negated else found
        if self._peek_word("not") and self._peek_word("in", ahead=1):
            self._at += 2
            return invert(self._among(left))
        if self._take_word("in"):
            return self._among(left)
        operator = self._take("=", "==", "!=", "<>", "<", "<=", ">", ">=")
        if operator is None:
            return left
        operator = {"==": "=", "<>": "!="}.get(operator, operator)
        return compare(operator, left, self._sum())

    def _among(self, subject: Expression) -> Expression:
        self._expect("(")
        options: list[Literal] = []
        while True:
            option = self._sum()
            if not isinstance(option, Literal):
                raise FormulaError("inside in (...) stand only numbers and quoted texts")
            comparison = compare("=", subject, option)
            options.append(comparison.right)  # type: ignore[arg-type]  # a literal stays one
            if self._take(",") is None:
                break
        self._expect(")")
        return Among(subject, tuple(options))

    def _sum(self) -> Expression:
        left = self._product()
        while (operator := self._take("+", "-")) is not None:
            left = calculate(operator, left, self._product())
        return left

    def _product(self) -> Expression:
        left = self._signed()
        while (operator := self._take("*", "/")) is not None:
            left = calculate(operator, left, self._signed())
        return left

    def _signed(self) -> Expression:
        negations = 0
        while self._take("-") is not None:
            negations += 1
        found = self._atom()
        if negations:
            need(found, Kind.NUMBER, "'-'")
        if not negations % 2:
            return found
        if isinstance(found, Literal) and isinstance(found.value, float):
            return Literal(-found.value, Kind.NUMBER)
        return Call("negate", (found,), Kind.NUMBER)

    def _atom(self) -> Expression:
        if self._take("(") is not None:
            found = self._either()
            self._expect(")")
            return found
        kind, token = self._next()
        match kind:
            case "number":
                return Literal(float(token), Kind.NUMBER)
            case "text":
                return Literal(token[1:-1], Kind.TEXT)
            case "name" if token in _YES_NO:
                return Literal(_YES_NO[token], Kind.YES_NO)
            case "name" if self._take("(") is not None:
                return self._call(token)
            case "name" if token not in _WORDS:
                return self._field(token)
            case _:
                raise FormulaError(f"'{token}' does not belong there")

    def _field(self, name: str) -> FieldRef:
        if name not in self._columns:
            hint = (
                f"; it is written {name}()" if name in FUNCTIONS else nearest(name, self._columns)
            )
            raise FormulaError(f"'{name}' is not a field{hint}")
        column = self._columns[name]
        return FieldRef(name, column.kind, column.values)

    def _call(self, name: str) -> Call:
        if name not in FUNCTIONS:
            raise FormulaError(f"'{name}' is not a function{nearest(name, FUNCTIONS)}")
        wanted, result = FUNCTIONS[name]
        arguments: list[Expression] = []
        while self._take(")") is None:
            if arguments:
                self._expect(",")
            arguments.append(self._either())
        if len(arguments) != len(wanted):
            raise FormulaError(f"{name}() takes {len(wanted)} value(s), not {len(arguments)}")
        for argument, kind in zip(arguments, wanted, strict=True):
            need(argument, kind, f"{name}()")
        return Call(name, tuple(arguments), result)

    def _next(self) -> tuple[str, str]:
        if self._at >= len(self._tokens):
            raise FormulaError("it ends too early")
        self._at += 1
        return self._tokens[self._at - 1]

    def _take(self, *operators: str) -> str | None:
        if self._at < len(self._tokens):
            kind, token = self._tokens[self._at]
            if kind == "operator" and token in operators:
                self._at += 1
                return token
        return None

    def _expect(self, operator: str) -> None:
        if self._take(operator) is None:
            raise FormulaError(f"a '{operator}' is missing")

    def _peek_word(self, word: str, ahead: int = 0) -> bool:
        at = self._at + ahead
        return at < len(self._tokens) and self._tokens[at] == ("name", word)

    def _take_word(self, word: str) -> bool:
        if self._peek_word(word):
            self._at += 1
            return True
        return False


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    rest = text.rstrip()
    at = 0
    while at < len(rest):
        match = _TOKEN.match(rest, at)
        if match is None:
            raise FormulaError(f"'{rest[at:].strip()[0]}' does not belong in a formula")
        at = match.end()
        kind = str(match.lastgroup)
        token = match[kind]
        if kind == "name" and token.lower() in _WORDS:
            token = token.lower()
        tokens.append((kind, token))
        if len(tokens) > _MAX_TOKENS:
            raise FormulaError(f"it has more than {_MAX_TOKENS} words and signs")
    return tokens
