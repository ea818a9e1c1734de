"""Takes secrets out of what dependencies were asked and answered; how a secret is known is in `redact`."""

from . import redact, redact_bodies, redact_sql
from .redact_names import is_secret


def all_of(answers, place, work):
    """Redact described questions with their answers in place; text keeps its shape, for the program goes on working with it in a replay."""
    for number, question in enumerate(answers):
        visit = _visits.get(question["kind"], _any)
        visit(question, "%s[%d]" % (place, number), work)


def _sql(question, place, work):
    from .dependencies import sql_names

    statement = question["statement"]
    names = sql_names.of_parameters(statement)
    named = sql_names.of_named(statement)
    aliases = sql_names.of_aliases(statement)
    # What stands beside a name in a statement is mostly another column or a mark, which must stay: only literals are hidden.
    hidden = redact_sql.hide_literals(statement, work) if "'" in statement else statement
    hidden = work.scrub_shapes(hidden)
    if hidden != statement:
        work.note(place + ".statement")
        question["statement"] = hidden
    # A number that was hidden is any number of its length, and is told from one that was not.
    work.asks = True
    parameters(question["parameters"], names, place + ".parameters", work, named)
    work.asks = False
    answer = question["answer"]
    if "error" in answer:
        _error(answer["error"], place, work)
    elif answer.get("columns"):
        columns = [column if is_secret(column) else aliases.get(column, column) for column, _ in answer["columns"]]
        for row in answer["rows"]:
            parameters(row, columns, place + ".rows", work)
        if answer.get("then"):
            _error(answer["then"], place, work)


def parameters(value, names, place, work, named=None):
    """The elements of a row or of parameters go by the names of their columns, where these are known."""
    kind = value["t"]
    if kind == "dict":
        for pair in value["items"]:
            label = redact._text_of(pair[0])
            column = named.get(label) if named else None
            name = column if column is not None and is_secret(column) else label
            pair[1] = masked(pair[1], name, "%s.%s" % (place, name), work)
        return
    for number, item in enumerate(value.get("items", ())):
        if item["t"] in ("tuple", "list", "dict") and (not names or kind == "list" or len(names) != len(value["items"])):
            # Many executions, or rows.
            parameters(item, names, place, work, named)
        else:
            name = names[number % len(names)] if names else None
            value["items"][number] = masked(item, name, "%s.%s" % (place, name), work)


def masked(value, name, place, work):
    """Like `redact._value`, but what goes by a secret name keeps its shape."""
    before, work.keeps_shape = work.keeps_shape, True
    try:
        if name is not None and value["t"] == "str" and is_secret(name) and value["v"][:1] in ("{", "["):
            return _stored(value, place, work)
        return redact._value(value, name, place, work)
    finally:
        work.keeps_shape = before


def _stored(value, place, work):
    """What is stored under a secret name may be JSON, as sessions are: the program reads it, so that only its secrets are masked."""
    import json

    try:
        json.loads(value["v"])
    except ValueError:
        return redact._value(value, "secret", place, work)
    hidden = redact_bodies.in_json(value["v"], place, work)
    return dict(value, v=hidden) if hidden != value["v"] else value


def _http(question, place, work):
    question["url"] = _url(question["url"], place + ".url", work)
    _message_part(question, place, work)
    answer = question["answer"]
    if "error" in answer:
        _error(answer["error"], place, work)
    elif "headers" in answer:
        redact._message(answer, place + ".answer", work)


def _message_part(question, place, work):
    body = question.get("body")
    if type(body) is dict and body.get("data"):
        headers = question.get("headers") or [["content-type", question.get("content_type") or ""]]
        part = {"headers": [list(header) for header in headers], "body": body}
        redact._message(part, place, work)
        if question.get("headers"):
            question["headers"] = part["headers"]
    elif question.get("headers"):
        redact._message({"headers": question["headers"], "body": {"data": ""}}, place, work)


def _url(url, place, work):
    return redact._address(url, place, work)


# Commands of Redis whose arguments are pairs of a name and a value, with the place of the first name.
_pairs_from = {"HSET": 2, "HMSET": 2, "HSETNX": 2, "MSET": 1, "MSETNX": 1, "XADD": 3, "CONFIG": 2, "JSON.SET": 2}
# What these answer goes by the names that were asked for, from this place on.
_named_by = {"HGET": 2, "HMGET": 2, "MGET": 1}
_answers_pairs = frozenset(["HGETALL", "CONFIG"])


def _redis(question, place, work):
    command = question["command"]
    texts = [redact._text_of(part) for part in command]
    verb = (texts[0] or "").upper() if texts else ""
    # The key of what is set or read says what it is.
    key = texts[1] if len(texts) > 1 else None
    inside = place + ".command"
    if verb in ("AUTH", "HELLO", "ACL"):
        for number in range(1, len(command)):
            if verb == "AUTH" or "AUTH" in [(text or "").upper() for text in texts[1 : number - 1]] or (texts[number] or "")[:1] in ("<", ">"):
                command[number] = masked(command[number], "password", inside, work)
    elif verb in _pairs_from:
        first = _pairs_from[verb]
        for number in range(1, len(command)):
            if number >= first and (number - first) % 2:
                label = texts[number - 1]
                name = label if label is not None and is_secret(label) else key if first > 1 else label
                command[number] = masked(command[number], name, inside, work)
            else:
                command[number] = masked(command[number], None, inside, work)
    else:
        for number, part in enumerate(command):
            # Options and lifetimes are no secrets.
            name = key if number > 1 and not _is_option(texts[number]) else None
            command[number] = masked(part, name, inside, work)
    answer = question["answer"]
    if "error" in answer:
        _error(answer["error"], place, work)
    elif "value" in answer:
        answer["value"] = _redis_answer(answer["value"], verb, texts, key, place + ".answer", work)


def _is_option(text):
    return text is not None and (text.isdigit() and len(text) < redact.MIN_KNOWN or text.isalpha() and len(text) <= 4)


def _redis_answer(value, verb, texts, key, place, work):
    items = value.get("items")
    if verb in _named_by and _named_by[verb] < len(texts):
        names = [text if text is not None and is_secret(text) else key for text in texts[_named_by[verb] :]]
        if items is None or value["t"] == "dict":
            return masked(value, names[0], place, work)
        for number, item in enumerate(items):
            items[number] = masked(item, names[number % len(names)], place, work)
        return value
    if verb in _answers_pairs and items is not None and value["t"] != "dict" and key is not None and not is_secret(key):
        for number in range(1, len(items), 2):
            items[number] = masked(items[number], redact._text_of(items[number - 1]), place, work)
        return value
    return masked(value, key, place, work)


def _session(question, place, work):
    question["key"] = masked(question["key"], "session", place + ".key", work)
    answer = question["answer"]
    if "value" in answer:
        answer["value"] = redact._value(answer["value"], None, place + ".answer", work)


def _error(error, place, work):
    for number, argument in enumerate(error["arguments"]):
        if argument["t"] == "error":
            _error(argument["error"], place, work)
        else:
            error["arguments"][number] = redact._value(argument, None, place + ".error", work)
    for name in ("cause", "context"):
        if error.get(name) is not None:
            _error(error[name], place, work)
    attributes = error.get("attributes", {})
    for name, value in attributes.items():
        attributes[name] = redact._value(value, name, place + ".error", work)
    diagnosis = error.get("diagnosis") or {}
    for name, text in diagnosis.items():
        diagnosis[name] = work.scrub(text)


def _any(question, place, work):
    """A kind without a form of its own: what it says is visited by name."""
    for name, part in question.items():
        if name in ("kind", "draws"):
            continue
        if type(part) is str:
            question[name] = work.scrub(part)
        elif type(part) is dict and "t" in part:
            question[name] = masked(part, name, place + "." + name, work)
        elif type(part) is dict:
            _any(part, place + "." + name, work)
        elif type(part) is list:
            for number, item in enumerate(part):
                if type(item) is dict and "t" in item:
                    part[number] = masked(item, None, place + "." + name, work)
                elif type(item) is str:
                    part[number] = work.scrub(item)
                elif type(item) is dict:
                    _any(item, place + "." + name, work)


_visits = {"sql": _sql, "http": _http, "redis": _redis, "session": _session, "draws": lambda question, place, work: None}
