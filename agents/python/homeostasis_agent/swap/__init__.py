"""Hot swap: replaces the running code of source files inside this process and takes it back; it never writes a file.

The way of one swap, module by module:

    source.py       a source text compiled, with every code object of it in reach
    live.py         what of a file lives in this process: namespaces, functions, frames
    identify.py     which source the running code is, from the code objects themselves
    align.py        which code object of the old source becomes which one of the new
    scope.py        what importing a source does, statement by statement
    difference.py   what changed between two sources, and what of it no swap can do
    signature.py    whether callers of the old signature may call the new one
    copies.py       who else took hold of a value when the program was imported
    trampoline.py   a way for an existing function whose closure does not fit
    planned.py      what planning works on and makes; the refusal
    forbidden.py    what forbids the swap in this process: a body that runs, objects made before
    existing.py     new code, defaults and descriptions for the functions that exist
    expressions.py  the values of defaults and annotations
    names.py        imports, constants, attributes, names that are gone
    bindings.py     a name bound in a module, with everyone who has copied it
    additions.py    functions, methods and classes that are new
    plan.py         all of it together: one list of changes, or a refusal with its reason
    change.py       the list of changes, done at once and undone at once
    session.py      apply, undo, running, applied

Guarantees. A swap is decided before any running code is touched, over all of its files, and is done by one call
into C during which no other thread runs. Identities stay: functions, classes, modules and instances are the same
objects before and after, so whoever holds one sees the new behaviour. Code that is in flight (frames, generators,
coroutines) ends on the code it began with. Undoing puts the very same objects back.
"""

from .session import applied, apply, running, undo

__all__ = ["applied", "apply", "running", "undo"]
