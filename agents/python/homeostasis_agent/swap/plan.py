"""Everything a swap will do in this process, worked out before anything running is touched, or the reason why it cannot."""

from . import bindings, existing, forbidden, names
from .live import target_of
from .planned import FunctionType, Part, Plan, Refused
from .source import meaning


def make(files, found, caches, seen, undoing=False):
    """The Plan for [(old Source, new Source)], given what `live.look` found for their paths.

    `seen` holds the closures of calls in flight that earlier attempts met, and is added to. Raises Refused, with
    everything staged taken back.
    """
    plan = Plan()
    try:
        parts = [Part(plan, old, new, found[old.filename], seen, undoing) for old, new in files]
        _in_any_order([step for part in parts for step in _steps(part)])
        for part in parts:
            bindings.give_to_star_importers(part)
        _clear_caches(plan, caches)
    except BaseException:
        plan.unstage()
        raise
    return plan


def _steps(part):
    """Plans what needs no evaluation; what needs it comes back as [(description for people, callable)].

    A step that raises has planned nothing yet, so that it can be tried again.
    """
    forbidden.check(part)
    steps = existing.steps_of(part)
    names.drop(part)
    for namespace in part.live.namespaces:
        steps.extend(names.steps_in(part, namespace))
    return steps


def _in_any_order(pending):
    """Runs steps that may need each other's new names, until all are done; the error of one that never can, refuses."""
    while pending:
        waiting, error = [], None
        for what, step in pending:
            try:
                step()
            except Refused:
                raise
            except Exception as problem:
                waiting.append((what, step))
                error = error or "%s failed: %s: %s" % (what, type(problem).__name__, problem)
        if len(waiting) == len(pending):
            raise Refused(error)
        pending = waiting


def _clear_caches(plan, caches):
    changed = {id(change.owner) for change in plan.changes if change.name == "__code__" and _acts_otherwise(change)}
    for cache in caches:
        inner = cache
        while type(inner) in (FunctionType, type(cache)):
            if id(inner) in changed:
                plan.caches.append(cache)
                break
            inner = inner.__dict__.get("__wrapped__")


def _acts_otherwise(change):
    return target_of(change.before) is not None or meaning(change.before) != meaning(change.after)
