"""Takes secrets out of texts that speak of SQL: literals in statements, parameters in messages, rows in the words of servers."""

import re

from .dependencies import sql_names
from .redact_names import is_secret


_parameters = re.compile(r"\[parameters: (.{1,4000})", re.S)
_statement = re.compile(r"\[SQL: (.{1,8000}?)\]\s*\[parameters: ", re.S)
_item = re.compile(r"[bBu]?'(?:[^'\\]|\\.)*'?|[bBu]?\"(?:[^\"\\]|\\.)*\"?|[^\s,()\[\]{}'\"]+")
_group = re.compile(r"\(([^()]*)\)?")
_key = re.compile(r"\bKey \(([^()]{1,500})\)=\((.{0,2000}?)\)(?= (?:already|is|conflicts)|\.|\Z)", re.S)
_row = re.compile(r"(Failing row contains \()([^\n]{1,8000})")
_duplicate = re.compile(r"(Duplicate entry ')(.{0,1000}?)(' for key '([^']{1,200})')")


def hide(text, lowered, work):
    if "'" in text and ("values" in lowered or "set " in lowered or "where " in lowered or "identified" in lowered or " password " in lowered):
        text = hide_literals(text, work)
    if "[parameters: " in text:
        text = _hide_parameters(text, work)
    if "=(" in text and "Key (" in text:
        text = _key.sub(lambda found: _hide_key(found, work), text)
    if "Failing row contains (" in text:
        # The server does not tell the columns.
        text = _row.sub(lambda found: found.group(1) + _masked_row(found.group(2), work), text)
    if "Duplicate entry '" in text:
        text = _duplicate.sub(lambda found: _hide_duplicate(found, work), text)
    return text


def hide_literals(text, work):
    """Literals that go to columns with secret names."""
    out, end = [], 0
    for begin, close, name in sql_names.literals(text):
        if is_secret(name) or name.lower() == "identified":
            begin += text[begin] != "'"
            literal = text[begin:close]
            plain = literal[1:-1] if literal.endswith("'") and len(literal) > 1 else literal[1:]
            if plain:
                work.learn(plain)
                out.append(text[end : begin + 1])
                out.append(work.masked(plain))
                end = begin + 1 + len(plain)
    return "".join(out) + text[end:] if out else text


def _hide_parameters(text, work):
    statement = _statement.search(text)
    names = sql_names.of_parameters(statement.group(1)) if statement is not None else []
    if not any(name and is_secret(name) for name in names):
        return text
    begin = _parameters.search(text).start(1)
    head, rest = text[:begin], text[begin:]
    if rest[:1] == "[":
        return head + _group.sub(lambda found: _hide_items(found.group(), names, work), rest)
    end = rest.rfind(")]")
    end = len(rest) if end < 0 else end
    return head + _hide_items(rest[:end], names, work) + rest[end:]


def _hide_items(text, names, work):
    counter = iter(range(10000))

    def each(found):
        name = names[next(counter) % len(names)]
        item = found.group()
        if not name or not is_secret(name) or item in ("None", "NULL"):
            return item
        quote = 1 + (item[0] in "bBu") if item[-1] in "'\"" and len(item) > 2 else 0
        plain = item[quote : len(item) - bool(quote)]
        work.learn(plain)
        return item[:quote] + work.masked(plain) + item[len(item) - bool(quote) :]

    return _item.sub(each, text)


def _hide_key(found, work):
    names = [name.strip(' "') for name in found.group(1).split(",")]
    parts = found.group(2).split(", ") if len(names) > 1 else [found.group(2)]
    for number, part in enumerate(parts):
        if is_secret(names[min(number, len(names) - 1)]) and part:
            work.learn(part)
            parts[number] = work.masked(part)
    return "Key (%s)=(%s)" % (found.group(1), ", ".join(parts))


def _masked_row(text, work):
    parts = text.split(", ")
    for number, part in enumerate(parts):
        if len(part) >= 8 and not part.isdigit():
            parts[number] = work.masked(part)
    return ", ".join(parts)


def _hide_duplicate(found, work):
    if not is_secret(found.group(4).rpartition(".")[2]):
        return found.group()
    work.learn(found.group(2))
    return found.group(1) + work.masked(found.group(2)) + found.group(3)
