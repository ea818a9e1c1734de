"""Takes secrets out of an event before it is queued: by name, by the shape of the text, and wherever a secret found that way turns up again."""

import base64
import binascii
import re
from urllib.parse import unquote_plus

from . import settings

# Matched in lower case inside of names, with "-" read as "_".
BUILT_IN = (
    "password|passwd|secret|token|api_?key|authorization|cookie|session|csrf|private_?key|access_?key"
    "|credit_?card|card_?number|cvv|ssn"
)
# One of these is in every name that BUILT_IN matches.
_HINTS = (
    "passw", "secret", "token", "api", "authorization", "cookie", "session", "csrf", "private", "access", "card", "cvv",
    "ssn",
)
# And one of these is in every JSON text in which anything can be hidden.
_JSON_HINTS = _HINTS + ("://", "eyj", "bearer", "basic", "digest")
# The shortest text that _bearer matches.
MIN_SCHEME = len("basic 12345678")
MIN_KNOWN = 8
MAX_KNOWN = 500

_letter = re.compile(r"[^\W\d_]")
_digit = re.compile(r"\d")
_json_token = re.compile(r'"(?:[^"\\]|\\.)*"?|[{}\[\],:]|[^\s{}\[\],:"]+', re.S)
_json_escape = re.compile(r"\\u[0-9a-fA-F]{4}|\\.", re.S)
_bearer = re.compile(r"(?i)\b(bearer|basic|digest)(\s+)([A-Za-z0-9._~+/=-]{8,})")
_credentials = re.compile(r"(://[^/\s:@]{0,200}:)([^/\s@]{1,500})(?=@)")
_web_token = re.compile(r"\beyJ[\w-]{5,2000}\.[\w-]{1,4000}\.[\w-]*")
_multipart_name = re.compile(rb'(?i)\bname="?([^";\r\n]+)"?')

_names = None
_names_for = None
_in_text = None


def _patterns():
    """The pattern for names, and the one for `name = value` inside of free text; they follow the settings."""
    global _names, _names_for, _in_text
    if _names_for is not settings.redact_names:
        parts = [BUILT_IN]
        for pattern in settings.redact_names:
            pattern = pattern.replace("-", "_")
            try:
                re.compile(pattern)
            except re.error:
                pattern = re.escape(pattern)
            parts.append("(?:" + pattern + ")")
        names = "|".join(parts)
        _names = re.compile(names, re.I)
        # In text a dash stays a dash, so both are accepted between the words of a name.
        _in_text = re.compile(
            r"((?:" + names.replace("_?", "[_-]?") + r")[\w-]{0,40}[\"']?\]?\s{0,4}(?:=(?!=)|:|=>)\s{0,4})"
            r"(\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[^\s\"',;&(){}\[\]<>]+)",
            re.I,
        )
        _names_for = settings.redact_names
    return _names, _in_text


_secret_names = {}
_secret_names_for = None


def is_secret(name):
    global _secret_names_for
    if _secret_names_for is not settings.redact_names or len(_secret_names) > 5000:
        _secret_names.clear()
        _secret_names_for = settings.redact_names
    known = _secret_names.get(name)
    if known is None:
        known = _secret_names[name] = _patterns()[0].search(name.replace("-", "_")) is not None
    return known


def mask(text):
    """The same length and shape: letters become `x`, digits `0`, other characters stay."""
    return _digit.sub("0", _letter.sub("x", text))


class Pass:
    """One event on its way out: where something was hidden, and which secrets were met.

    First everything is visited by name, then every text once more for the secrets that were met.
    """

    def __init__(self):
        self.where = []
        self.known = {}
        self.met_bytes = False
        self._pattern = None
        self._scope = self._identified = None

    def enter(self, scope):
        """References that are met now mean values in this part of the event."""
        self._scope, self._identified = scope, None

    def identified(self, number):
        if self._identified is None:
            self._identified = {}
            _index(self._scope, self._identified)
        return self._identified.get(number, ())

    def note(self, place):
        if len(self.where) < 500 and place not in self.where:
            self.where.append(place)

    def learn(self, text):
        """Remember a secret so that it is hidden elsewhere too."""
        text = text.strip()
        if len(text) < MIN_KNOWN or len(self.known) >= MAX_KNOWN or mask(text) == text:
            return
        # Someone whose password is "password" must not make every mention of the field unreadable.
        if _patterns()[0].fullmatch(text.replace("-", "_")) is None:
            self.known[text] = True

    def scrub(self, text):
        """Hide what carries a secret in text that has no name of its own."""
        # Short words without a sign between name and value are most of what there is, and hide nothing.
        if len(text) < MIN_SCHEME and "=" not in text and ":" not in text and "eyJ" not in text:
            return text
        if "://" in text:
            text = _credentials.sub(self._credential, text)
        if "eyJ" in text:
            text = _web_token.sub(lambda found: mask(found.group()), text)
        # Regular expressions over large texts hold up the whole process; plain searches rule most texts out.
        lowered = text.lower()
        if "bearer" in lowered or "basic" in lowered or "digest" in lowered:
            text = _bearer.sub(self._scheme, text)
        if ("=" in text or ":" in text) and (settings.redact_names or any(word in lowered for word in _HINTS)):
            text = _patterns()[1].sub(self._named, text)
        return text

    def _scheme(self, found):
        self.learn(found.group(3))
        return found.group(1) + found.group(2) + mask(found.group(3))

    def _credential(self, found):
        self.learn(found.group(2))
        return found.group(1) + mask(found.group(2))

    def _named(self, found):
        value = found.group(2)
        if value in ("None", "null", "True", "False", "true", "false", "''", '""'):
            return found.group()
        self.learn(value.strip("\"'"))
        return found.group(1) + mask(value)

    def hide_known(self, text):
        pattern = self._known_pattern()
        return pattern.sub(lambda found: mask(found.group()), text) if pattern is not None else text

    def is_mentioned(self, text):
        """Does a secret that was met stand in this JSON text, as it is or escaped?"""
        from json.encoder import encode_basestring

        return any(secret in text or encode_basestring(secret)[1:-1] in text for secret in self.known)

    def _known_pattern(self):
        if self._pattern is None and self.known:
            longest_first = sorted(self.known, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest_first)))
        return self._pattern


def _index(part, found):
    """All values with a number in this part of an event, by their numbers."""
    if type(part) is list:
        for inner in part:
            _index(inner, found)
    elif isinstance(part, dict):
        if "id" in part and part.get("t") not in (None, "ref"):
            found.setdefault(part["id"], []).append(part)
        for inner in part.values():
            _index(inner, found)


def event(capsule, witnesses, write):
    """Redact a capsule and its witnesses in place; what `write(capsule, witnesses)` makes of them then, which is their JSON."""
    work = Pass()
    if capsule["request"] is not None:
        _request(capsule["request"], "request", work)
    for position, witness in enumerate(witnesses):
        place = "witnesses[%d]" % position
        _request(witness["request"], place + ".request", work)
        _message(witness["response"], place + ".response", work)
    work.enter(capsule["exceptions"])
    for position, error in enumerate(capsule["exceptions"]):
        place = "exceptions[%d]" % position
        _named_values(error["attributes"], place + ".attributes", work)
        for number, frame in enumerate(error["frames"]):
            for part in ("locals", "globals"):
                if frame[part]:
                    _named_values(frame[part], "%s.frames[%d].%s" % (place, number, part), work)
    if capsule["call"] is not None:
        work.enter([capsule["call"]["arguments"], capsule["call"]["keywords"]])
        _call(capsule["call"], work)
    recorded = _answers(capsule, witnesses)
    if recorded:
        from . import redact_answers

        for place, answers in recorded:
            work.enter(answers)
            redact_answers.all_of(answers, place, work)
    for error in capsule["exceptions"]:
        error["message"] = work.scrub(error["message"])
        error["notes"] = [work.scrub(note) for note in error["notes"]]
    arguments = capsule["process"].get("argv")
    if arguments:
        capsule["process"]["argv"] = _arguments(arguments, work)
    capsule["redacted"] = work.where
    if not work.known:
        return write(capsule, witnesses)
    messages = [capsule["request"]] if capsule["request"] is not None else []
    for witness in witnesses:
        messages.extend((witness["request"], witness["response"]))
    for message in messages:
        _known_in_body(message["body"], work)
    if recorded:
        # Bodies of answers are in base64, too.
        work.met_bytes = True
    text = write(capsule, witnesses)
    # To look for secrets in the text is much cheaper than to visit all values again; bytes hide theirs in base64.
    if work.met_bytes or work.is_mentioned(text):
        _hide_everywhere(capsule, messages, work)
        for _, answers in recorded:
            redact_answers.hide_known(answers, work)
        text = write(capsule, witnesses)
    return text


def _answers(capsule, witnesses):
    """Answers of dependencies, wherever there are some, with their places."""
    found = [("answers", capsule["answers"])]
    if capsule["request"] is not None:
        found.append(("request.answers", capsule["request"]["answers"]))
    if capsule["call"] is not None:
        found.append(("call.answers", capsule["call"]["answers"]))
    for number, witness in enumerate(witnesses):
        found.append(("witnesses[%d].request.answers" % number, witness["request"]["answers"]))
    return [(place, answers) for place, answers in found if answers]


def _arguments(arguments, work):
    """`--password=x` and `--password x` of a command line."""
    hidden = []
    follows = False
    for argument in arguments:
        if follows and not argument.startswith("-"):
            work.learn(argument)
            hidden.append(mask(argument))
        else:
            hidden.append(work.scrub(argument))
        follows = argument.startswith("--") and "=" not in argument and is_secret(argument)
    return hidden


# Requests and responses


def _request(request, place, work):
    query = _pairs(request["query"], place + ".query", work)
    request["query"] = query
    for credential in request["credentials"]:
        inside = "%s.credentials.%s" % (place, credential["name"])
        credential["value"] = _value(credential["value"], None, inside, work)
    _message(request, place, work)


def _message(message, place, work):
    content_type = ""
    for header in message["headers"]:
        name, value = header
        if name == "content-type":
            content_type = value.lower()
        if is_secret(name):
            _learn_header(name, value, work)
            header[1] = _mask_cookies(value) if name == "cookie" else mask(value)
            work.note("%s.headers.%s" % (place, name))
        else:
            scrubbed = work.scrub(value)
            if scrubbed != value:
                header[1] = scrubbed
                work.note("%s.headers.%s" % (place, name))
    body = message["body"]
    if body["data"]:
        raw = base64.b64decode(body["data"])
        hidden = _body(raw, content_type, place + ".body", work)
        if hidden != raw:
            body["data"] = base64.b64encode(hidden).decode("ascii")


def _mask_cookies(header):
    """The names stay, so that a replay knows which of them to make anew."""
    pairs = (pair.partition("=") for pair in header.split(";"))
    return ";".join(name + equals + mask(value) if equals else mask(name) for name, equals, value in pairs)


def _learn_header(name, value, work):
    if name != "set-cookie":
        work.learn(value)
    if "cookie" in name:
        # What follows the first pair of Set-Cookie are attributes.
        for pair in value.split(";", 1)[:1] if name == "set-cookie" else value.split(";"):
            work.learn(pair.partition("=")[2])
        return
    scheme, _, rest = value.partition(" ")
    if rest:
        work.learn(rest)
        if scheme.lower() == "basic":
            try:
                work.learn(base64.b64decode(rest).decode("utf-8").partition(":")[2])
            except (binascii.Error, UnicodeError):
                pass


def _pairs(text, place, work):
    """A query string or form: the values of secret names are masked in place."""
    if not text:
        return text
    parts = text.split("&")
    for number, part in enumerate(parts):
        name, equals, value = part.partition("=")
        if equals and value and is_secret(unquote_plus(name)):
            work.learn(value)
            work.learn(unquote_plus(value))
            parts[number] = name + "=" + _mask_quoted(value)
            work.note("%s.%s" % (place, unquote_plus(name)))
        elif equals and value:
            plain = unquote_plus(value)
            if work.scrub(plain) != plain:
                parts[number] = name + "=" + _mask_quoted(value)
                work.note("%s.%s" % (place, unquote_plus(name)))
    return "&".join(parts)


def _mask_quoted(value):
    """Percent escapes keep their form, so that the text can still be decoded."""
    return "".join(
        piece if re.fullmatch("%[0-9a-fA-F]{2}", piece) else mask(piece)
        for piece in re.split("(%[0-9a-fA-F]{2})", value)
    )


def _body(raw, content_type, place, work):
    if "multipart/form-data" in content_type:
        return _multipart(raw, content_type, place, work)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        # Latin-1 maps bytes to characters and back one to one, so that text inside is found all the same.
        text = raw.decode("latin-1")
        hidden = work.scrub(text)
        if hidden != text:
            work.note(place)
        return hidden.encode("latin-1")
    if "x-www-form-urlencoded" in content_type:
        hidden = _pairs(text, place, work)
    elif "json" in content_type or text.lstrip()[:1] in ("{", "["):
        hidden = _json(text, place, work)
    else:
        hidden = work.scrub(text)
        if hidden != text:
            work.note(place)
    return hidden.encode("utf-8")


def _json(text, place, work):
    """Mask inside of the text itself, token by token, so that all else stays byte for byte, valid or not."""
    if not settings.redact_names:
        lowered = text.lower()
        if not any(word in lowered for word in _JSON_HINTS):
            return text
    out = []
    end = 0
    # For each open container: is all inside of it secret, is it an object, and the name that the next value has.
    stack = []
    inherited, is_object, name = False, False, None
    expects_name = False
    for found in _json_token.finditer(text):
        token = found.group()
        out.append(text[end : found.start()])
        end = found.end()
        first = token[0]
        if first in "{[":
            secret = inherited or (name is not None and is_secret(name))
            if secret and name is not None:
                work.note("%s.%s" % (place, name))
            stack.append((inherited, is_object, name))
            inherited, is_object, name = secret, first == "{", None
            expects_name = is_object
        elif first in "}]":
            if stack:
                inherited, is_object, name = stack.pop()
            expects_name = False
        elif first == ",":
            name, expects_name = None, is_object
        elif first == ":":
            expects_name = False
        elif expects_name and first == '"':
            name = token.strip('"')
        elif inherited or (name is not None and is_secret(name)):
            if name is not None:
                work.note("%s.%s" % (place, name))
            token = _mask_json_scalar(token, work)
        elif first == '"':
            hidden = _scrub_json_string(token, work)
            if hidden != token:
                token = hidden
                work.note("%s.%s" % (place, name) if name is not None else place)
        out.append(token)
    out.append(text[end:])
    return "".join(out)


def _mask_json_scalar(token, work):
    if token[0] == '"':
        content = token.strip('"')
        work.learn(content)
        pieces = []
        end = 0
        for escape in _json_escape.finditer(content):
            pieces.append(mask(content[end : escape.start()]))
            pieces.append("\\u0078" if escape.group().startswith("\\u") else escape.group())
            end = escape.end()
        pieces.append(mask(content[end:]))
        return '"' + "".join(pieces) + token[1 + len(content) :]
    if token[0] in "-0123456789":
        work.learn(token)
        # A number must not begin with a zero; its exponent goes, for 0e00 is a number and 1e999 is none.
        masked = _digit.sub("0", token)
        return masked if len(token) == 1 else re.sub("^(-?)0(?=0)", r"\g<1>1", masked)
    return token


def _scrub_json_string(token, work):
    content = token[1:]
    hidden = work.scrub(content.replace("\\", "\0")).replace("\0", "\\")
    return token[0] + hidden


def _multipart(raw, content_type, place, work):
    boundary = re.search(r'boundary="?([^";]+)"?', content_type, re.I)
    # Content types were lowered for comparison, boundaries are not.
    lines = raw.split(b"\r\n", 1)
    if boundary is None or not lines[0].startswith(b"--"):
        return raw
    delimiter = lines[0]
    parts = raw.split(delimiter)
    for number, part in enumerate(parts):
        head, separator, content = part.partition(b"\r\n\r\n")
        name = _multipart_name.search(head)
        if not separator or name is None:
            continue
        text_name = name.group(1).decode("utf-8", "replace")
        text = content.decode("latin-1")
        if is_secret(text_name):
            work.learn(content.decode("utf-8", "replace").strip())
            hidden = mask(text)
        else:
            hidden = work.scrub(text)
        if hidden != text:
            parts[number] = head + separator + hidden.encode("latin-1", "replace")
            work.note("%s.%s" % (place, text_name))
    return delimiter.join(parts)


# Captured values


def _named_values(values, place, work):
    for name, value in values.items():
        values[name] = _value(value, name, place + "." + name, work)


def _call(call, work):
    for argument in call["arguments"]:
        argument[1] = _value(argument[1], argument[0], "call.arguments." + argument[0], work)
    _named_values(call["keywords"], "call.keywords", work)


def _value(value, name, place, work):
    """The value as it may leave the process, given the name it goes by."""
    kind = value["t"]
    if name is not None and kind not in ("none", "bool", "callable", "module", "cut") and is_secret(name):
        work.note(place)
        if kind == "ref":
            return _redacted_reference(value, work)
        _learn_value(value, work)
        redacted = {"t": "redacted", "kind": kind, "len": _length(value)}
        return dict(redacted, id=value["id"]) if "id" in value else redacted
    if kind == "str":
        hidden = work.scrub(value["v"])
        if hidden != value["v"]:
            work.note(place)
            value = dict(value, v=hidden)
    elif kind == "bytes":
        value = _bytes_value(value, place, work, work.scrub)
    elif kind == "dict":
        for pair in value["items"]:
            key = _text_of(pair[0])
            pair[0] = _value(pair[0], None, place, work)
            pair[1] = _value(pair[1], key, place if key is None else place + "." + key, work)
    elif kind in ("list", "tuple", "set", "frozenset"):
        items = value["items"]
        # Headers and form fields often travel as pairs of name and value.
        paired = len(items) == 2 and value["len"] == 2 and kind in ("list", "tuple")
        first = _text_of(items[0]) if paired else None
        for number, item in enumerate(items):
            items[number] = _value(item, first if number == 1 else None, place, work)
    elif kind == "object":
        _named_values(value["fields"], place, work)
        if "content" in value:
            value["content"] = _value(value["content"], None, place, work)
    elif kind == "other":
        hidden = work.scrub(value["text"])
        if hidden != value["text"]:
            value = dict(value, text=hidden)
    return value


def _redacted_reference(value, work):
    """What is secret by this name has another name elsewhere, and is learned from there."""
    kind, length = "object", 0
    for meant in work.identified(value["id"]):
        _learn_value(meant, work)
        kind, length = meant["t"], _length(meant)
    return {"t": "redacted", "kind": kind, "len": length}


def _text_of(value):
    if value["t"] == "str":
        return value["v"]
    if value["t"] == "bytes":
        return base64.b64decode(value["v"]).decode("latin-1")
    return None


def _length(value):
    kind = value["t"]
    if "len" in value:
        return value["len"] or 0
    if kind in ("int", "float"):
        return len(value["v"])
    return len(value["text"]) if kind == "other" else 0


def _learn_value(value, work):
    kind = value["t"]
    if kind in ("str", "int"):
        work.learn(value["v"])
    elif kind == "bytes":
        work.learn(base64.b64decode(value["v"]).decode("latin-1"))
    elif kind == "dict":
        for pair in value["items"]:
            _learn_value(pair[1], work)
    elif kind in ("list", "tuple", "set", "frozenset"):
        for item in value["items"]:
            _learn_value(item, work)
    elif kind == "object":
        # The fields of a session or token object are mostly not secret; only those with a telling name are.
        for name, field in value["fields"].items():
            if is_secret(name):
                _learn_value(field, work)
        if "content" in value:
            _learn_value(value["content"], work)


def _bytes_value(value, place, work, hide):
    work.met_bytes = True
    raw = base64.b64decode(value["v"]).decode("latin-1")
    hidden = hide(raw)
    if hidden == raw:
        return value
    work.note(place)
    return dict(value, v=base64.b64encode(hidden.encode("latin-1", "replace")).decode("ascii"))


# The second visit


def _hide_everywhere(capsule, messages, work):
    for error in capsule["exceptions"]:
        error["message"] = work.hide_known(error["message"])
        error["notes"] = [work.hide_known(note) for note in error["notes"]]
        _known_in_values(error["attributes"], work)
        for number, frame in enumerate(error["frames"]):
            text = work.hide_known(frame["text"])
            if text != frame["text"]:
                # Frames of libraries are shared by all events.
                error["frames"][number] = frame = dict(frame, text=text)
            _known_in_values(frame["locals"], work)
            _known_in_values(frame["globals"], work)
    if capsule["call"] is not None:
        for argument in capsule["call"]["arguments"]:
            argument[1] = _known_in_value(argument[1], work)
        _known_in_values(capsule["call"]["keywords"], work)
    for message in messages:
        for part in ("path", "query", "route"):
            if part in message:
                message[part] = work.hide_known(message[part])
        for header in message["headers"]:
            header[1] = work.hide_known(header[1])
        for credential in message.get("credentials", ()):
            credential["value"] = _known_in_value(credential["value"], work)
    arguments = capsule["process"].get("argv")
    if arguments:
        capsule["process"]["argv"] = [work.hide_known(argument) for argument in arguments]


def _known_in_values(values, work):
    for name, value in values.items():
        values[name] = _known_in_value(value, work)


def _known_in_value(value, work):
    kind = value["t"]
    if kind == "str":
        hidden = work.hide_known(value["v"])
        return value if hidden == value["v"] else dict(value, v=hidden)
    if kind == "int":
        return {"t": "redacted", "kind": "int", "len": len(value["v"])} if value["v"] in work.known else value
    if kind == "other":
        return dict(value, text=work.hide_known(value["text"]))
    if kind == "bytes":
        return _bytes_value(value, "", _Silent, work.hide_known)
    if kind == "dict":
        for pair in value["items"]:
            pair[0] = _known_in_value(pair[0], work)
            pair[1] = _known_in_value(pair[1], work)
    elif kind in ("list", "tuple", "set", "frozenset"):
        value["items"][:] = [_known_in_value(item, work) for item in value["items"]]
    elif kind == "object":
        _known_in_values(value["fields"], work)
        if "content" in value:
            value["content"] = _known_in_value(value["content"], work)
    return value


class _Silent:
    """Takes the notes of the second visit, which name no new place."""

    met_bytes = True

    @staticmethod
    def note(place):
        pass


def _known_in_body(body, work):
    if not body["data"]:
        return
    raw = base64.b64decode(body["data"])
    text = raw.decode("latin-1")
    hidden = work.hide_known(text)
    for secret in work.known:
        # A secret beyond ASCII is other characters in the bytes of the body.
        if not secret.isascii():
            other = secret.encode("utf-8", "replace").decode("latin-1")
            hidden = hidden.replace(other, mask(secret).encode("utf-8", "replace").decode("latin-1"))
    if hidden != text:
        body["data"] = base64.b64encode(hidden.encode("latin-1", "replace")).decode("ascii")
