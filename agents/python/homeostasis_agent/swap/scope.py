"""What a source does when it is imported, read from its syntax tree: statements by scope, names bound and used; pure."""

import ast

from .signature import shape

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_PURE = (
    ast.Constant, ast.Tuple, ast.List, ast.Dict, ast.Set, ast.UnaryOp, ast.BinOp, ast.operator, ast.unaryop,
    ast.Load, ast.Name,
)


class Statements:
    """The statements of one scope (the module, or a class reached without a function), apart from definitions.

    `plain` maps the shape of each import and pure assignment to its node; `other` lists the shapes and nodes of all
    that cannot be done again in a running program; `defined` are the definitions made directly in the scope;
    `decorated` says that a decorator may have made something else of the class.
    """

    def __init__(self, body, decorated=False):
        self.body = body
        self.decorated = decorated
        self.plain = {}
        self.other = []
        self.defined = []
        self.documentation = ast.get_docstring(ast.Module(body, []), clean=False)
        for node in body:
            if isinstance(node, _FUNCTIONS + (ast.ClassDef,)):
                self.defined.append(node)
            elif isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
                continue
            elif _is_import(node) or is_pure_assignment(node):
                self.plain.setdefault(shape(node), node)
            else:
                self.other.append((shape(node), node))


def scopes(tree):
    """{qualified class name or "" for the module: Statements}, classes inside compound statements included."""
    found = {}

    def visit(body, name, decorated):
        found.setdefault(name, Statements(body, decorated))
        for node in classes_in(body):
            inner = name + "." + node.name if name else node.name
            visit(node.body, inner, decorated or bool(node.decorator_list))

    visit(tree.body, "", False)
    return found


def classes_in(body):
    """Class statements of this scope, also those inside if, try, with and loops."""
    for node in statements_in(body):
        if isinstance(node, ast.ClassDef):
            yield node


def statements_in(body):
    """All statements of a scope with those nested in compound statements, definitions not entered."""
    for node in body:
        yield node
        if isinstance(node, _FUNCTIONS + (ast.ClassDef,)):
            continue
        for field in ("body", "orelse", "finalbody"):
            yield from statements_in(getattr(node, field, None) or [])
        for handler in getattr(node, "handlers", None) or []:
            yield from statements_in(handler.body)
        for case in getattr(node, "cases", None) or []:
            yield from statements_in(case.body)


def _is_import(node):
    if isinstance(node, ast.Import):
        return True
    return isinstance(node, ast.ImportFrom) and node.module != "__future__" and node.names[0].name != "*"


def is_pure_assignment(node):
    if isinstance(node, ast.Assign):
        return all(target_names(target) is not None for target in node.targets) and is_pure(node.value)
    return isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and is_pure(node.value)


def is_pure(expression):
    """True for literals, names, and arithmetic on them: evaluating it twice is evaluating it once."""
    if expression is None:
        return False
    for node in ast.walk(expression):
        if not isinstance(node, _PURE) or isinstance(node, (ast.Pow, ast.LShift)):
            return False
    return True


def target_names(target):
    """Names that a target binds, or None when it stores anywhere else than in names."""
    if isinstance(target, ast.Name):
        return [target.id]
    if isinstance(target, (ast.Tuple, ast.List)):
        names = []
        for element in target.elts:
            inner = target_names(element)
            if inner is None:
                return None
            names.extend(inner)
        return names
    return None


def bound_by(node):
    """Names that an import or a pure assignment binds."""
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return [alias.asname or alias.name.split(".")[0] for alias in node.names]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return [name for target in targets for name in target_names(target)]


def binding_count(body, name):
    """How many statements of this scope bind or delete the name."""
    count = 0
    for node in statements_in(body):
        if isinstance(node, _FUNCTIONS + (ast.ClassDef,)):
            count += node.name == name
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            count += name in bound_by(node)
        else:
            count += any(
                isinstance(part, ast.Name) and part.id == name and not isinstance(part.ctx, ast.Load)
                for part in _heads(node)
            )
    return count


def _heads(node):
    """The expressions of a statement itself, without the statements inside it."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, (ast.stmt, ast.ExceptHandler)) and type(child).__name__ != "match_case":
            yield from ast.walk(child)


def evaluated_at_import(tree):
    """Every expression node that runs when the module is imported: nothing inside functions or lambdas,
    but their decorators, defaults and annotations."""

    def visit(node):
        if isinstance(node, _FUNCTIONS):
            for part in node.decorator_list + _defaults(node.args):
                yield from visit(part)
            return
        if isinstance(node, ast.Lambda):
            for part in _defaults(node.args):
                yield from visit(part)
            return
        yield node
        for child in ast.iter_child_nodes(node):
            yield from visit(child)

    yield from visit(tree)


def _defaults(arguments):
    return list(arguments.defaults) + [default for default in arguments.kw_defaults if default is not None]


def used_at_import(tree, name):
    """The first line on which importing reads this name, the statements that only bind it left out; or None."""
    for node in evaluated_at_import(tree):
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load):
            return node.lineno
    return None


def called_at_import(tree, names, busy=(), also_attributes=False):
    """The first line on which importing calls something of one of these names, or uses it as a decorator; or None.

    The block under `if __name__ == "__main__"` and the statements that still run (`busy` are their current lines)
    are left out: what they call is the program, not its making.
    """
    body = [node for node in tree.body if not is_main_guard(node)]
    body = [node for node in body if not any(node.lineno <= line <= node.end_lineno for line in busy)]
    for node in evaluated_at_import(ast.Module(body, [])):
        if isinstance(node, ast.Call) and _is_named(node.func, names, also_attributes):
            return node.lineno
    for node in ast.walk(ast.Module(body, [])):
        if isinstance(node, _FUNCTIONS + (ast.ClassDef,)):
            for decorator in node.decorator_list:
                if _is_named(decorator, names, also_attributes):
                    return decorator.lineno
    return None


def _is_named(node, names, also_attributes):
    if isinstance(node, ast.Name):
        return node.id in names
    return also_attributes and isinstance(node, ast.Attribute) and node.attr in names


def is_main_guard(node):
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Compare)
        and isinstance(node.test.left, ast.Name)
        and node.test.left.id == "__name__"
    )


def attributes_stored(function):
    """Attributes that a method stores on its first parameter."""
    arguments = function.args.posonlyargs + function.args.args
    if not arguments:
        return set()
    this = arguments[0].arg
    return {
        node.attr
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
        and isinstance(node.value, ast.Name) and node.value.id == this
    }
