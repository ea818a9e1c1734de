"""Takes secrets out of what dependencies were asked and answered; how a secret is known is in `redact`."""

from . import redact


def all_of(answers, place, work):
    """Redact described questions with their answers in place."""
    for number, question in enumerate(answers):
        visit = _visits.get(question["kind"])
        if visit is not None:
            visit(question, "%s[%d]" % (place, number), work)


def _sql(question, place, work):
    from .dependencies import sql_names

    question["statement"] = _scrubbed(question["statement"], place + ".statement", work)
    names = sql_names.of_parameters(question["statement"])
    _parameters(question["parameters"], names, place + ".parameters", work)
    answer = question["answer"]
    if "error" in answer:
        _error(answer["error"], place, work)
    elif answer.get("columns"):
        names = [name for name, _ in answer["columns"]]
        for row in answer["rows"]:
            _parameters(row, names, place + ".rows", work)
        if "then" in answer:
            _error(answer["then"], place, work)


def _parameters(value, names, place, work):
    """The elements of a row or of parameters go by the names of their columns, where these are known."""
    kind = value["t"]
    if kind == "dict":
        redact._value(value, None, place, work)
        return
    for number, item in enumerate(value.get("items", ())):
        if item["t"] in ("tuple", "list", "dict") and not names:
            _parameters(item, names, place, work)
        elif item["t"] in ("tuple", "list") and kind == "list":
            # Many executions.
            _parameters(item, names, place, work)
        else:
            name = names[number % len(names)] if names else None
            value["items"][number] = masked(item, name, "%s.%s" % (place, name), work)


def masked(value, name, place, work):
    """Like `redact._value`, but text keeps its shape, for the program goes on working with it in a replay."""
    if name is not None and value["t"] in ("str", "bytes") and redact.is_secret(name):
        work.note(place)
        redact._learn_value(value, work)
        if value["t"] == "str":
            return dict(value, v=redact.mask(value["v"]))
        return redact._bytes_value(value, place, work, redact.mask)
    return redact._value(value, name, place, work)


def _http(question, place, work):
    question["url"] = _url(question["url"], place + ".url", work)
    _message_part(question, place, work)
    answer = question["answer"]
    if "error" in answer:
        _error(answer["error"], place, work)
    elif "headers" in answer:
        redact._message(answer, place + ".answer", work)


def _message_part(question, place, work):
    body = question["body"]
    if body["data"]:
        redact._message({"headers": [["content-type", question.get("content_type", "")]], "body": body}, place, work)


def _url(url, place, work):
    address, mark, query = url.partition("?")
    if not mark:
        return _scrubbed(url, place, work)
    return _scrubbed(address, place, work) + mark + redact._pairs(query, place, work)


def _redis(question, place, work):
    command = question["command"]
    # The key of what is set or read says what it is.
    key = redact._text_of(command[1]) if len(command) > 1 else None
    for number, part in enumerate(command):
        command[number] = masked(part, key if number > 1 else None, place + ".command", work)
    answer = question["answer"]
    if "error" in answer:
        _error(answer["error"], place, work)
    elif "value" in answer:
        answer["value"] = masked(answer["value"], key, place + ".answer", work)


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


def _scrubbed(text, place, work):
    hidden = work.scrub(text)
    if hidden != text:
        work.note(place)
    return hidden


_visits = {"sql": _sql, "http": _http, "redis": _redis, "session": _session}


def hide_known(answers, work):
    """The second visit: secrets that were met elsewhere."""
    for question in answers:
        _hide(question, work)


def _hide(thing, work):
    if type(thing) is dict:
        if "truncated" in thing and "data" in thing:
            redact._known_in_body(thing, work)
            return
        if thing.get("t") in ("bytes", "int", "other"):
            known = redact._known_in_value(thing, work)
            if known is not thing:
                thing.clear()
                thing.update(known)
            return
        for name, inner in thing.items():
            thing[name] = work.hide_known(inner) if type(inner) is str and name not in ("kind", "t") else inner
            _hide(inner, work)
    elif type(thing) is list:
        for number, inner in enumerate(thing):
            if type(inner) is str:
                thing[number] = work.hide_known(inner)
            else:
                _hide(inner, work)
