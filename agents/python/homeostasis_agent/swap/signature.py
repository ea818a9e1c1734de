"""Whether every call that fitted an old signature fits the new one with the same meaning; pure."""

import ast


def shape(node):
    """A syntax tree as plain tuples without positions, the bodies of functions and classes left out."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return "def", node.name
    if isinstance(node, ast.ClassDef):
        return "class", node.name
    if isinstance(node, ast.Lambda):
        return "lambda", shape(node.args)
    if isinstance(node, ast.AST):
        return (type(node).__name__,) + tuple(
            shape(getattr(node, field, None)) for field in node._fields if field not in ("ctx", "type_comment", "kind")
        )
    if isinstance(node, list):
        return tuple(shape(item) for item in node)
    return type(node).__name__, repr(node)


class Parameter:
    """One parameter: `kind` is one of `positional`, `either`, `keyword`, `*` and `**`; `default` a node or None."""

    def __init__(self, name, kind, default, annotation):
        self.name = name
        self.kind = kind
        self.default = default
        self.annotation = annotation


def parameters(arguments):
    listed = []
    positional = [(argument, "positional") for argument in arguments.posonlyargs]
    positional += [(argument, "either") for argument in arguments.args]
    without = len(positional) - len(arguments.defaults)
    for index, (argument, kind) in enumerate(positional):
        default = arguments.defaults[index - without] if index >= without else None
        listed.append(Parameter(argument.arg, kind, default, argument.annotation))
    if arguments.vararg:
        listed.append(Parameter(arguments.vararg.arg, "*", None, arguments.vararg.annotation))
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults):
        listed.append(Parameter(argument.arg, "keyword", default, argument.annotation))
    if arguments.kwarg:
        listed.append(Parameter(arguments.kwarg.arg, "**", None, arguments.kwarg.annotation))
    return listed


def same_parameters(old, new):
    """True when names, order and kinds are the same; defaults and annotations may differ."""
    return [(p.name, p.kind) for p in parameters(old)] == [(p.name, p.kind) for p in parameters(new)]


def incompatible(old, new):
    """Why a call written for `old` might fail or mean something else with `new`; None when it cannot."""
    before, after = parameters(old), parameters(new)
    names = {parameter.name: parameter for parameter in after}
    for parameter in before:
        now = names.get(parameter.name)
        if now is None:
            return "parameter %s is gone" % parameter.name
        if now.kind != parameter.kind:
            return "parameter %s is passed in another way" % parameter.name
        if parameter.default is not None and now.default is None:
            return "parameter %s has no default any more" % parameter.name
    places = [p.name for p in before if p.kind in ("positional", "either")]
    if [p.name for p in after if p.kind in ("positional", "either")][: len(places)] != places:
        return "the order of its parameters changed"
    known = {parameter.name for parameter in before}
    kinds = {parameter.kind for parameter in before}
    for parameter in after:
        if parameter.name in known:
            continue
        if parameter.kind in ("*", "**"):
            continue
        if parameter.default is None:
            return "parameter %s is new and required" % parameter.name
        if parameter.kind != "keyword" and "*" in kinds:
            return "parameter %s takes a place that *%s took" % (parameter.name, _named(before, "*"))
        if "**" in kinds and parameter.kind != "positional":
            return "parameter %s takes a keyword that **%s took" % (parameter.name, _named(before, "**"))
    return None


def _named(listed, kind):
    return next(parameter.name for parameter in listed if parameter.kind == kind)
