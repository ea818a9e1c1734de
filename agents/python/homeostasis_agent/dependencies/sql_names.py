"""Guesses which columns the parameters of a statement go to, so that secrets among them are known by name; it parses no SQL."""

import re

_insert = re.compile(r"(?is)\binto\s+[\w.\"`\[\]]+\s*\(([^()]*)\)\s*(?:select|values)?\s*(.*)")
_mark = re.compile(r"%\((\w+)\)s|%s|\?|\$(\d+)|:(\w+)")
_before = re.compile(r"(?is)([\w.\"`\]]+)\s*(?:=|<>|!=|<=|>=|<|>|\bilike\b|\blike\b|\bin\s*\(|\bis\b)\s*(?:any\s*\()?\s*$")
_quotes = "\"`[] \n\t"


def of_parameters(statement):
    """A list with the name of each positional parameter, None where it is not known; empty when none is."""
    if len(statement) > 20000:
        return []
    marks = [mark for mark in _mark.finditer(statement) if not mark.group(1)]
    columns = _insert.search(statement)
    names = []
    if columns is not None:
        listed = [name.strip(_quotes) for name in columns.group(1).split(",")]
        inside = [mark for mark in marks if mark.start() >= columns.start(2)]
        names = [listed[number % len(listed)] for number, _ in enumerate(inside)]
    else:
        for mark in marks:
            before = _before.search(statement[max(0, mark.start() - 200) : mark.start()])
            names.append(before.group(1).strip(_quotes).rpartition(".")[2].strip(_quotes) if before else None)
    return names if any(names) else []
