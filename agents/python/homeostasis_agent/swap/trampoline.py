"""A way for an existing function whose closure does not fit its new code: the object stays, its code leads to a new function."""

import ast
import types

from .source import ASYNC_GENERATOR, COROUTINE, GENERATOR, VARARGS, VARKEYWORDS

_TARGET = "_homeostasis_target"
_TOKEN = "homeostasis: the place of the function that this code leads to"


def build(code, cells, target):
    """Code with the signature and kind of `code` and `cells` free variables that calls `target`.

    The target stands among the constants, where no compiler puts a function: that is how such code is recognised.
    None for asynchronous generators, which cannot hand on everything that is sent into them.
    """
    if code.co_flags & ASYNC_GENERATOR:
        return None
    free = ["_homeostasis_cell_%d" % index for index in range(cells)]
    outer = ast.FunctionDef(
        name="outer",
        args=_arguments([ast.arg(arg=name) for name in free]),
        body=[_function(code, free), ast.Return(_load("inner"))],
        decorator_list=[],
    )
    outer.type_params = []
    module = ast.Module([outer], [])
    for node in ast.walk(module):
        node.lineno = node.end_lineno = code.co_firstlineno
        node.col_offset = node.end_col_offset = 0
    compiled = compile(module, code.co_filename, "exec", dont_inherit=True)
    inner = _nested(_nested(compiled, "outer"), "inner")
    changes = {
        "co_consts": tuple(target if constant == _TOKEN else constant for constant in inner.co_consts),
        "co_name": code.co_name,
        "co_filename": code.co_filename,
    }
    if hasattr(code, "co_qualname"):
        changes["co_qualname"] = code.co_qualname
    return inner.replace(**changes)


def _function(code, free):
    names = list(code.co_varnames)
    positional, keyword = code.co_argcount, code.co_kwonlyargcount
    end = positional + keyword
    star = names[end] if code.co_flags & VARARGS else None
    end += code.co_flags & VARARGS != 0
    double = names[end] if code.co_flags & VARKEYWORDS else None
    arguments = _arguments(
        [ast.arg(arg=name) for name in names[code.co_posonlyargcount:positional]],
        [ast.arg(arg=name) for name in names[: code.co_posonlyargcount]],
        star and ast.arg(arg=star),
        [ast.arg(arg=name) for name in names[positional : positional + keyword]],
        double and ast.arg(arg=double),
    )
    passed = [_load(name) for name in names[:positional]]
    if star:
        passed.append(ast.Starred(_load(star), ast.Load()))
    keywords = [ast.keyword(name, _load(name)) for name in names[positional : positional + keyword]]
    if double:
        keywords.append(ast.keyword(None, _load(double)))
    call = ast.Call(_load(_TARGET), passed, keywords)
    body = [ast.Assign([ast.Name(_TARGET, ast.Store())], ast.Constant(_TOKEN))]
    if free:
        # Never runs; naming the variables makes the compiler give the code the cells the function object has.
        body.insert(0, ast.If(ast.Constant(0), [ast.Expr(ast.Tuple([_load(name) for name in free], ast.Load()))], []))
    if code.co_flags & COROUTINE:
        body.append(ast.Return(ast.Await(call)))
        made = ast.AsyncFunctionDef(name="inner", args=arguments, body=body, decorator_list=[])
    elif code.co_flags & GENERATOR:
        body.append(ast.Return(ast.YieldFrom(call)))
        made = ast.FunctionDef(name="inner", args=arguments, body=body, decorator_list=[])
    else:
        body.append(ast.Return(call))
        made = ast.FunctionDef(name="inner", args=arguments, body=body, decorator_list=[])
    made.type_params = []
    return made


def _arguments(either, positional=(), star=None, keyword=(), double=None):
    return ast.arguments(
        posonlyargs=list(positional), args=list(either), vararg=star, kwonlyargs=list(keyword),
        kw_defaults=[None] * len(keyword), kwarg=double, defaults=[],
    )


def _load(name):
    return ast.Name(name, ast.Load())


def _nested(code, name):
    return next(item for item in code.co_consts if isinstance(item, types.CodeType) and item.co_name == name)
