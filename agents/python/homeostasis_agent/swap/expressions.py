"""Values of defaults and annotations as defining a function anew would give them; only what is safe to evaluate twice."""

import __future__
import ast
import types

from .planned import Refused
from .scope import is_pure
from .signature import parameters, shape

FUTURE = sum(
    getattr(__future__, name).compiler_flag for name in __future__.all_feature_names
    if name not in ("nested_scopes", "generators")
)
_FUTURE_ANNOTATIONS = __future__.annotations.compiler_flag
_ANNOTATION = (ast.Name, ast.Attribute, ast.Subscript, ast.Tuple, ast.List, ast.Constant, ast.BinOp, ast.BitOr, ast.Load)
_ANNOTATION += tuple(kind for kind in (getattr(ast, "Index", None),) if kind is not None)


def default(part, node, namespace, name, at_import=True):
    """The value of a default of the function `name`; a closure's default may only be a literal."""
    names = [item.id for item in ast.walk(node) if isinstance(item, ast.Name)]
    if not is_pure(node) or (names and not at_import):
        raise Refused("a default of %s is computed by a call, which cannot be repeated" % name)
    code = compile(ast.Expression(node), part.old.filename, "eval", dont_inherit=True)
    return eval(code, namespace, dict(part.rebound.get(id(namespace), {})))


def annotations(part, node, namespace, earlier=None, live=None):
    """The annotations that defining `node` would give, live values where the text did not change;
    None when no annotation changed."""
    old = {p.name: shape(p.annotation) for p in parameters(earlier.args)} if earlier else {}
    if earlier:
        old["return"] = shape(earlier.returns)
    listed = [(p.name, p.annotation) for p in parameters(node.args)] + [("return", node.returns)]
    if earlier and {name: shape(item) for name, item in listed} == old:
        return None
    result = {}
    for name, expression in listed:
        if expression is None:
            continue
        if live and name in live and old.get(name) == shape(expression):
            result[name] = live[name]
        elif part.new.code.co_flags & _FUTURE_ANNOTATIONS:
            result[name] = ast.unparse(expression)
        elif all(isinstance(item, _ANNOTATION) for item in ast.walk(expression)):
            code = compile(ast.Expression(expression), part.old.filename, "eval", dont_inherit=True)
            result[name] = eval(code, namespace, dict(part.rebound.get(id(namespace), {})))
        else:
            raise Refused("an annotation of %s is computed by a call, which cannot be repeated" % node.name)
    return result


def documentation(code):
    """What a function made of this code would have as its `__doc__`."""
    closure = tuple(types.CellType() for _ in code.co_freevars)
    return types.FunctionType(code, {}, None, None, closure).__doc__


def compiled_documentation(text):
    """A docstring as the compiler leaves it: from 3.13 on without its indentation, and none with -OO."""
    if text is None:
        return None
    namespace = {}
    module = ast.fix_missing_locations(ast.Module([ast.Expr(ast.Constant(text))], []))
    exec(compile(module, "<homeostasis>", "exec", dont_inherit=True), namespace)
    return namespace.get("__doc__")
