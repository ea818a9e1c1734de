"""Checks what a program sets in code; what becomes of it is the agent's business."""

from __future__ import annotations

from typing import Any, Iterable, Mapping

LISTS = ("exclude_modules", "exclude_error_types", "exclude_paths", "redact_names")
NAMES = LISTS + ("sample_rate", "before_send", "capture_logged", "root", "socket")


def checked(config: Mapping[str, Any] | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """One plain dictionary of `config` and the options beside it, which go first; what is None is not set.

    Raises TypeError or ValueError for what cannot be meant.
    """
    together = dict(config or {})
    together.update((name, value) for name, value in options.items() if value is not None)
    unknown = sorted(set(together) - set(NAMES))
    if unknown:
        raise TypeError("homeostasis has no option %s; there are %s" % (", ".join(map(repr, unknown)), ", ".join(NAMES)))
    return {name: _checked(name, value) for name, value in together.items() if value is not None}


def _checked(name: str, value: Any) -> Any:
    if name in LISTS:
        return [_text(name, one) for one in ([value] if isinstance(value, (str, type)) else _all(name, value))]
    if name == "sample_rate":
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
            raise ValueError("sample_rate must be a number from 0 to 1, not %r" % (value,))
        return float(value)
    if name == "before_send":
        if not callable(value):
            raise TypeError("before_send must be callable, not %r" % (value,))
        return value
    if name == "capture_logged":
        return bool(value)
    if not isinstance(value, str):
        # Paths may be given as objects.
        value = getattr(value, "__fspath__", lambda: value)()
    if not isinstance(value, str):
        raise TypeError("%s must be a path, not %r" % (name, value))
    return value


def _all(name: str, value: Any) -> Iterable[Any]:
    try:
        return list(value)
    except TypeError:
        raise TypeError("%s must be a list, not %r" % (name, value)) from None


def _text(name: str, value: Any) -> str:
    if name == "exclude_error_types" and isinstance(value, type):
        return value.__module__ + "." + value.__qualname__
    if not isinstance(value, str):
        raise TypeError("%s must hold texts, not %r" % (name, value))
    return value
