"""Reads FHIRPath into a tree. Time is linear in the text; nesting is bounded, and chains of operators do not nest."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from keepwell.kit.fhir.fhirpath.errors import ExpressionError
from keepwell.kit.fhir.limits import MAX_EXPRESSION, MAX_NESTING

_TOKEN = re.compile(
    r"""
    (?P<gap>\s+|//[^\n]*|/\*.*?\*/)
    |(?P<number>\d+(?:\.\d+)?)
    |(?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    |(?P<clock>@T\d\d(?::\d\d(?::\d\d(?:\.\d{1,9})?)?)?)
    |(?P<moment>@\d{4}(?:-\d\d(?:-\d\d)?)?(?:T(?:\d\d(?::\d\d(?::\d\d(?:\.\d{1,9})?)?)?(?:Z|[+-]\d\d:\d\d)?)?)?)
    |(?P<variable>%(?:[A-Za-z_]\w*|`(?:[^`\\]|\\.)*`|'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"))
    |(?P<special>\$this|\$index|\$total)
    |(?P<name>[A-Za-z_]\w*|`(?:[^`\\]|\\.)*`)
    |(?P<symbol>!=|!~|<=|>=|[=~<>|&+\-*/.,()\[\]{}])
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_ESCAPES = {"r": "\r", "n": "\n", "t": "\t", "f": "\f"}
_POWER: dict[str, int] = {
    "implies": 1, "or": 2, "xor": 2, "and": 3, "in": 4, "contains": 4, "=": 5, "~": 5, "!=": 5, "!~": 5,
    "<": 6, ">": 6, "<=": 6, ">=": 6, "|": 7, "is": 8, "as": 8, "+": 9, "-": 9, "&": 9, "*": 10, "/": 10, "div": 10, "mod": 10,
}  # fmt: skip
_UNARY = 11
_RESERVED = {"and", "or", "xor", "implies", "div", "mod"}
_UNITS = {"year", "month", "week", "day", "hour", "minute", "second", "millisecond"}


class Tree(NamedTuple):
    """One node: its kind, its own datum (a name, a value, an operator) and the nodes below.

    Kinds: `literal`, `quantity` (datum: number and unit), `variable`, `special`, `member`, `call`, `index`, `path` (the first
    node, then steps each applied to the result so far), `chain` (datum: operators; nodes: one more than these, from left to
    right), `sign`, `type` (datum: operator and type name).
    """

    kind: str
    datum: Any
    nodes: tuple["Tree", ...] = ()


class _Token(NamedTuple):
    kind: str
    text: str


def parse(text: str) -> Tree:
    """The tree of an expression.

    Raises:
        ExpressionError: it is no FHIRPath, or too long, or nested too deep.
    """
    if len(text) > MAX_EXPRESSION:
        raise ExpressionError(f"An expression may have at most {MAX_EXPRESSION} characters.")
    return _Parser(_tokens(text)).whole()


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ExpressionError(f"There is something unreadable at character {at + 1} of the expression.")
        if match.lastgroup is not None and match.lastgroup != "gap":
            found.append(_Token(match.lastgroup, match[0]))
        at = match.end()
    return found


def _unescaped(quoted: str) -> str:
    def character(match: re.Match[str]) -> str:
        code = match[1]
        return chr(int(code[1:], 16)) if len(code) > 1 else _ESCAPES.get(code, code)

    return _ESCAPE.sub(character, quoted[1:-1])


def _bare(name: str) -> str:
    return _unescaped(name) if name[:1] in "`'\"" else name


_LITERALS: dict[str, Callable[[str], Tree]] = {
    "text": lambda text: Tree("literal", _unescaped(text)),
    "clock": lambda text: Tree("clock", text[2:]),
    "moment": lambda text: Tree("moment", text[1:]),
    "variable": lambda text: Tree("variable", _bare(text[1:])),
}


class _Parser:
    def __init__(self, tokens: list[_Token]) -> None:
        self.tokens = tokens
        self.at = 0
        self.depth = 0

    def whole(self) -> Tree:
        tree = self.expression(0)
        if self.at != len(self.tokens):
            raise ExpressionError(f"The expression is complete before its word or sign number {self.at + 1}.")
        return tree

    def peek(self) -> _Token:
        return self.tokens[self.at] if self.at < len(self.tokens) else _Token("end", "")

    def next(self) -> _Token:
        token = self.peek()
        self.at += 1
        return token

    def expect(self, text: str) -> None:
        if self.next().text != text:
            raise ExpressionError(f"A {text!r} is missing in the expression.")

    def expression(self, least: int) -> Tree:
        """One expression of operators that bind at least this tightly."""
        self.depth += 1
        if self.depth > MAX_NESTING:
            raise ExpressionError(f"An expression may be nested at most {MAX_NESTING} deep.")
        left = self.operand()
        while (power := self.power()) > least or power == least > 0:
            left = self.binary(left, power)
        self.depth -= 1
        return left

    def power(self) -> int:
        token = self.peek()
        return _POWER.get(token.text, 0) if token.kind in ("symbol", "name") else 0

    def binary(self, left: Tree, power: int) -> Tree:
        operators: list[str] = []
        operands = [left]
        while self.power() == power:
            operator = self.next().text
            if operator in ("is", "as"):
                if operators:
                    raise ExpressionError("The operators is and as need parentheses here.")
                return Tree("type", (operator, self.type_name()), (left,))
            operators.append(operator)
            operands.append(self.expression(power + 1))
        return Tree("chain", tuple(operators), tuple(operands))

    def operand(self) -> Tree:
        token = self.peek()
        if token.kind == "symbol" and token.text in "+-":
            self.next()
            return Tree("sign", token.text, (self.expression(_UNARY),))
        steps = [self.term()]
        while self.peek().text in (".", "[") and self.peek().kind == "symbol":
            if self.next().text == ".":
                steps.append(self.invocation())
            else:
                steps.append(Tree("index", None, (self.expression(0),)))
                self.expect("]")
        return steps[0] if len(steps) == 1 else Tree("path", None, tuple(steps))

    def term(self) -> Tree:
        token = self.peek()
        if token.kind == "number":
            return self.number()
        if token.kind == "name" and token.text in ("true", "false"):
            return Tree("literal", self.next().text == "true")
        if token.kind in ("name", "special") and token.text not in _RESERVED:
            return self.invocation()
        self.next()
        if token.kind in _LITERALS:
            return _LITERALS[token.kind](token.text)
        return self.enclosed(token)

    def enclosed(self, token: _Token) -> Tree:
        if token.text == "(":
            inside = self.expression(0)
            self.expect(")")
            return inside
        if token.text == "{":
            self.expect("}")
            return Tree("empty", None)
        raise ExpressionError("The expression ends too early." if token.kind == "end" else "A term is missing in the expression.")

    def number(self) -> Tree:
        number = self.next().text
        token = self.peek()
        if token.kind == "text":
            return Tree("quantity", (number, _unescaped(self.next().text)))
        if token.kind == "name" and token.text.removesuffix("s") in _UNITS:
            return Tree("quantity", (number, self.next().text.removesuffix("s")))
        return Tree("number", number)

    def invocation(self) -> Tree:
        token = self.next()
        if token.kind == "special":
            return Tree("special", token.text)
        if token.kind != "name":
            raise ExpressionError("A name is missing in the expression.")
        if self.peek().text != "(" or self.peek().kind != "symbol":
            return Tree("member", _bare(token.text))
        self.next()
        arguments: list[Tree] = []
        if self.peek().text != ")":
            arguments.append(self.expression(0))
            while self.peek().text == ",":
                self.next()
                arguments.append(self.expression(0))
        self.expect(")")
        return Tree("call", _bare(token.text), tuple(arguments))

    def type_name(self) -> str:
        name = self.next()
        if name.kind != "name":
            raise ExpressionError("A type is missing in the expression.")
        last = _bare(name.text)
        while self.peek().text == "." and last in ("System", "FHIR"):
            self.next()
            last = _bare(self.next().text)
        return last


def type_of(tree: Tree) -> str:
    """The type that an argument such as `FHIR.Coding` names.

    Raises:
        ExpressionError: it names none.
    """
    if tree.kind == "member":
        return str(tree.datum)
    if tree.kind == "path" and len(tree.nodes) == 2 and tree.nodes[0] in (Tree("member", "System"), Tree("member", "FHIR")):
        return type_of(tree.nodes[1])
    raise ExpressionError("A type is missing in the expression.")
