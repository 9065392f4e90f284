"""Where an edit of a source changes no number: what only people, type checkers or other programs' imports read."""

import ast
from collections.abc import Iterator

Span = tuple[tuple[int, int], tuple[int, int]]  # first line and column, and those of the end

_TEXTS = ("description", "help", "title", "strict")  # keywords that hold a text, or that only check


def unseen_spans(source: str, speed_only: frozenset[str]) -> Iterator[Span]:
    """Spans of annotations, decorators, errors, descriptions, exports and constants that decide nothing but speed."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.arg(annotation=ast.expr() as unseen) | ast.AnnAssign(annotation=unseen):
                yield _span(unseen)
            case ast.FunctionDef(returns=ast.expr() as unseen):
                yield _span(unseen)
            case ast.Raise(exc=ast.Call() as unseen) | ast.Assert(msg=ast.expr() as unseen):
                yield _span(unseen)
            case ast.keyword(arg=name, value=unseen) if name in _TEXTS:
                yield _span(unseen)
            case ast.Call(func=ast.Attribute(attr="reshape")):
                yield from (_span(size) for size in node.args if isinstance(size, ast.UnaryOp))  # -1 or any below 0
            case ast.Assign(targets=[ast.Name(id=name)]) if name == "__all__" or name in speed_only:
                yield _span(node)
        for decorator in getattr(node, "decorator_list", ()):
            yield _span(decorator)


def _span(node: ast.expr | ast.stmt) -> Span:
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    return (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)
