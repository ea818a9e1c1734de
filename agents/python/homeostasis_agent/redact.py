"""Takes secrets out of an event before it is queued: by name, by the shape of the text, and wherever a secret found that way turns up again.

Which names are secret is in `redact_names`, which shapes in `redact_shapes`; bodies are read in `redact_bodies`, texts
about SQL in `redact_sql`, answers of dependencies in `redact_answers`.
"""

import base64
import binascii
import re
from binascii import a2b_base64
from json.encoder import encode_basestring, encode_basestring_ascii
from urllib.parse import quote, quote_plus

from . import frames, redact_bodies, redact_environment, redact_names, redact_paths, redact_shapes, redact_sql, settings
from .redact_names import HINTS, is_secret, is_secret_number
from .redact_shapes import mask, masked

# The shortest text in which free text can name a secret without a sign of it.
MIN_SCHEME = len("basic 12345678")
MIN_KNOWN = 8
MAX_KNOWN = 500
# The user's own expressions see this much at once, and what lies at a border twice.
PIECE = 500
OVERLAP = 100

_scheme = re.compile(r"(?i)\b(bearer|basic|digest|negotiate)(\s+)([A-Za-z0-9._~+/=-]{8,})")
_header_line = re.compile(r"(?i)(\bauthorization[\"'\\]{0,3}\s{0,4}[:=]\s{0,4})([\w-]{1,20}[ ]{1,3})([^\s\"'\\,;]{4,4000})")
_cookie_line = re.compile(r"(?i)(\bcookie\s{0,4}[:=]\s{0,4})([^\s=;\"'\\]{1,200}=[^\r\n\"'\\]{1,4000})")
_credentials = re.compile(r"(://[^/\s:@]{0,200}:)([^/\s@]{1,500}|[^\s@\"'<>]{1,200})(?=@)")
_plain_word = re.compile(r"[a-z]+|[A-Z]+|[0-9]+")
_simple = re.compile(r"[A-Za-z0-9._~-]*")
_schemes = frozenset(["basic", "bearer", "digest", "token", "apikey", "api-key", "jwt", "key", "negotiate", "aws4-hmac-sha256", "ntlm", "hoba", "splunk"])
_nothing = frozenset(["None", "null", "True", "False", "true", "false", "''", '""', "undefined", "nil"])


class Pass:
    """One event on its way out: where something was hidden, and which secrets were met.

    First everything is visited by name and shape, then, where any of the secrets that were met is left, all once more.
    Two different secrets get two different masks, as far as they have letters, so that a program that compares them
    comes to the same result; the same secret gets the same mask everywhere.
    """

    def __init__(self):
        self.where = []
        self.known = {}
        # In answers and arguments text keeps its shape; in locals a placeholder says all there is to say.
        self.keeps_shape = False
        # These values are what a dependency was asked.
        self.asks = False
        self._masks = {}
        self._taken = {}
        self._variants = {}
        self._clean = set()
        self._raw = []
        self._forms = None
        # Forms of secrets of the environment in base64 and hex.
        self._encoded = {}
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
        if len(text) < MIN_KNOWN or len(self.known) >= MAX_KNOWN or text in self.known or mask(text) == text:
            return
        # Someone whose password is "password" must not make every mention of the field unreadable.
        if not redact_names.is_name(text):
            self.known[text] = True
            self._forms = None

    def learn_environment(self):
        """The secrets of the environment are known from the beginning; pairs of variable and secret."""
        variables, encoded = redact_environment.secrets()
        for _, secret in variables:
            self.known[secret] = True
        self._encoded = encoded
        return variables

    def masked(self, text):
        """What stands in the place of this secret throughout the event."""
        hidden = self._masks.get(text)
        if hidden is None:
            hidden = masked(text)
            if hidden != text:
                other = self._taken.setdefault(hidden, text)
                if other != text:
                    hidden = self._another(hidden, text)
            self._masks[text] = hidden
        return hidden

    def _another(self, hidden, text):
        """Capital letters tell masks of the same shape apart: their places count in binary."""
        places = [place for place, one in enumerate(hidden) if one == "x"][:12]
        for number in range(self._variants.get(hidden, 1), 1 << len(places)):
            self._variants[hidden] = number + 1
            letters = list(hidden)
            for bit, place in enumerate(places):
                if number >> bit & 1:
                    letters[place] = "X"
            other = "".join(letters)
            if self._taken.setdefault(other, text) == text:
                return other
        return hidden

    def hidden(self, secret):
        """The mask of a secret that was just found."""
        self.learn(secret)
        return self.masked(secret)

    def seen(self, raw):
        """Bytes, as Latin-1, that leave in base64, where a secret could not be found later."""
        self._raw.append(raw)

    def scrub(self, text):
        """Hide what carries a secret in text that has no name of its own."""
        # Short words without a sign between name and value are most of what there is, and hide nothing.
        if len(text) < redact_shapes.SHORTEST and "=" not in text and ":" not in text and "<" not in text and not settings.redact_patterns:
            return text
        if text in self._clean:
            return text
        hidden = self._scrubbed(text)
        if hidden == text:
            self._clean.add(text)
        return hidden

    def scrub_shapes(self, text):
        if len(text) >= redact_shapes.SHORTEST:
            text = redact_shapes.hide(text, self.hidden)
            if "://" in text and "@" in text:
                text = _credentials.sub(self._credential, text)
        return text

    def _scrubbed(self, text):
        if settings.redact_patterns:
            text = self._by_users_patterns(text)
        text = self.scrub_shapes(text)
        # Regular expressions over large texts hold up the whole process; plain searches rule most texts out.
        lowered = text.lower()
        if "bearer" in lowered or "basic" in lowered or "digest" in lowered or "negotiate" in lowered:
            text = _scheme.sub(self._with_scheme, text)
        if "=" in text or ":" in text or "<" in text:
            for word in HINTS:
                if word in lowered:
                    text = self._by_names(text, lowered)
                    break
            else:
                if settings.redact_names:
                    text = self._by_names(text, lowered)
        elif "'" in text and ("password" in lowered or "identified" in lowered or "values" in lowered):
            text = redact_sql.hide(text, lowered, self)
        if "Failing row contains (" in text or "Duplicate entry '" in text:
            text = redact_sql.hide(text, lowered, self)
        return text

    def _by_names(self, text, lowered):
        if "authorization" in lowered:
            text = _header_line.sub(lambda found: found.group(1) + found.group(2) + self.hidden(found.group(3)), text)
        if "cookie" in lowered:
            text = _cookie_line.sub(lambda found: found.group(1) + _mask_cookies(found.group(2), self), text)
        if "'" in text or "(" in text:
            text = redact_sql.hide(text, lowered, self)
        text = redact_names.in_text().sub(self._named, text)
        if "<" in text and ">" in text:
            text = redact_bodies.in_markup(text, self)
        return text

    def _by_users_patterns(self, text):
        for pattern in settings.redact_patterns:
            if len(text) <= PIECE:
                text = pattern.sub(self._of_users_pattern, text)
                continue
            begin = 0
            while begin < len(text):
                piece = text[begin : begin + PIECE]
                text = text[:begin] + pattern.sub(self._of_users_pattern, piece) + text[begin + len(piece) :]
                begin += PIECE - OVERLAP
        return text

    def _of_users_pattern(self, found):
        return self.hidden(found.group()) if found.group() else ""

    def _with_scheme(self, found):
        scheme, token = found.group(1).lower(), found.group(3)
        if scheme == "basic":
            plain = _basic(token)
            if plain is None and token.isalpha():
                return found.group()
            return found.group(1) + found.group(2) + _mask_basic(token, self)
        if token.isalpha() and token.islower() and len(token) < 20:
            # A word of a sentence.
            return found.group()
        return found.group(1) + found.group(2) + self.hidden(token)

    def _credential(self, found):
        return found.group(1) + self.hidden(found.group(2))

    def _named(self, found):
        name, value = found.group(1), found.group(2)
        plain_name = name.rstrip(" \t\"'\\]:=>")
        if found.string[found.end() : found.end() + 1] == "(" and value.replace(".", "").isidentifier():
            # A call in a program's text, and no secret.
            return found.group()
        if value in _nothing or not (is_secret_number(plain_name) if value.isdigit() else is_secret(plain_name)):
            return found.group()
        first = value[0]
        if first in "[(":
            return name + _quoted.sub(lambda item: item.group(1) + self.hidden(item.group(2)) + item.group(3), value)
        quoted = _quoted_whole.fullmatch(value)
        if quoted is not None:
            inner = quoted.group(2)
            if "\\" in inner:
                self.learn(inner.replace("\\\\", "\\"))
            return name + quoted.group(1) + (self._with_known_scheme(inner) or self.hidden(inner)) + quoted.group(3)
        if value.lower() in _schemes and "authorization" in name.lower():
            # What follows the scheme is hidden already.
            return found.group()
        return name + self.hidden(value)

    def _with_known_scheme(self, text):
        scheme, space, rest = text.partition(" ")
        return scheme + space + self.hidden(rest) if rest and scheme.lower() in _schemes else None

    def hide_known(self, text):
        forms = self.forms()
        if not forms or len(text) < len(forms[-1][0]):
            return text
        for form, hidden, pattern in forms:
            if form in text:
                text = pattern.sub(hidden, text) if pattern is not None else text.replace(form, hidden)
        return text

    def forms(self):
        """Each secret that was met, as it is and in the forms that escapes give it, with what stands in its place; the longest first."""
        if self._forms is None:
            found = {}
            for secret in self.known:
                hidden = self.masked(secret)
                found[secret] = hidden
                if _simple.fullmatch(secret) is None:
                    for write in _writings:
                        found.setdefault(write(secret), write(hidden))
                if _identifier.fullmatch(secret) is not None:
                    # Written with dashes and without.
                    for write in (lambda text: text.replace("-", ""), _with_dashes):
                        found.setdefault(write(secret), write(hidden))
            found.update(self._encoded)
            self._forms = sorted(((form, hidden, _bounded(form)) for form, hidden in found.items()), key=lambda one: -len(one[0]))
        return self._forms

    def is_mentioned(self, text):
        """Does a secret that was met stand in this JSON text, or in the bytes that it holds in base64?"""
        forms = self.forms()
        for form, _, _ in forms:
            if form in text:
                return True
        raw = "\n".join(self._raw)
        wide = "\0" in raw
        for form, _, _ in forms:
            if form in raw or (wide and _wide(form) in raw):
                return True
        return False


_identifier = re.compile(r"[0-9a-fA-F]{8}(-?)[0-9a-fA-F]{4}\1[0-9a-fA-F]{4}\1[0-9a-fA-F]{4}\1[0-9a-fA-F]{12}")


def _with_dashes(text):
    text = text.replace("-", "")
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


_quoted = re.compile(r"([bBuU]?[\"'])([^\"'\n]{1,500})([\"'])")
_quoted_whole = re.compile(r"([bBuU]?\\*[\"'])(.*?)(\\*[\"']?)", re.S)
_writings = (
    lambda text: encode_basestring(text)[1:-1],
    lambda text: encode_basestring_ascii(text)[1:-1],
    lambda text: quote(text, ""),
    lambda text: quote(text),
    quote_plus,
    lambda text: repr(text)[1:-1],
    # Bytes are searched as Latin-1.
    lambda text: text.encode("utf-8", "replace").decode("latin-1"),
    lambda text: text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"),
)


def writings(hidden, secret):
    """The forms that a mask may have in a request, each with the secret in the same form; the plain one first."""
    in_json = encode_basestring_ascii(secret)[1:-1]
    return [(hidden, secret), (redact_bodies.masked_json(in_json, secret, hidden), in_json)] + [(write(hidden), write(secret)) for write in _writings]


def _bounded(form):
    """A plain word or number is only hidden where it stands alone; anything else wherever it is."""
    if len(form) <= 16 and _plain_word.fullmatch(form) is not None:
        return re.compile(r"(?<![A-Za-z0-9])" + form + r"(?![A-Za-z0-9])")
    return None


def _wide(form):
    return "\0".join(form)


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
    variables = work.learn_environment()
    if capsule["request"] is not None:
        _request(capsule["request"], "request", work, variables)
    for position, witness in enumerate(witnesses):
        place = "witnesses[%d]" % position
        _request(witness["request"], place + ".request", work, variables)
        _message(witness["response"], place + ".response", work)
    _exceptions(capsule["exceptions"], work)
    if capsule["call"] is not None:
        _call(capsule["call"], work)
    recorded = _answers(capsule, witnesses)
    if recorded:
        from . import redact_answers

        work.keeps_shape = True
        for place, answers in recorded:
            work.enter(answers)
            redact_answers.all_of(answers, place, work)
        work.keeps_shape = False
    arguments = capsule["process"].get("argv")
    if arguments:
        capsule["process"]["argv"] = _arguments(arguments, work)
    capsule["redacted"] = work.where
    text = write(capsule, witnesses)
    # To look for secrets in the text is much cheaper than to visit all values again.
    if work.known and work.is_mentioned(text):
        _hide_everywhere(capsule, work)
        _hide_everywhere(witnesses, work)
        text = write(capsule, witnesses)
    return text


def exceptions(described):
    """Redact the exceptions that came in a replay, as those of an event."""
    work = Pass()
    work.learn_environment()
    _exceptions(described, work)
    if work.known:
        _hide_everywhere(described, work)
    return described


def command_line(arguments):
    """The arguments of this process as they may leave it."""
    work = Pass()
    work.learn_environment()
    return [work.hide_known(argument) for argument in _arguments(arguments, work)]


def _exceptions(described, work):
    work.enter(described)
    for position, error in enumerate(described):
        place = "exceptions[%d]" % position
        _named_values(error["attributes"], place + ".attributes", work)
        for number, frame in enumerate(error["frames"]):
            for part in ("locals", "globals"):
                if frame[part]:
                    _named_values(frame[part], "%s.frames[%d].%s" % (place, number, part), work)
        error["message"] = work.scrub(error["message"])
        if error["notes"]:
            error["notes"] = [work.scrub(note) for note in error["notes"]]


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
    """`--password=x`, `--password x` and `-p x` of a command line."""
    hidden = []
    follows = False
    for argument in arguments:
        if follows and not argument.startswith("-"):
            hidden.append(work.hidden(argument))
        else:
            hidden.append(work.scrub(argument))
        follows = argument.startswith("-") and "=" not in argument and is_secret(argument.lstrip("-"))
    return hidden


# Requests and responses


def _request(request, place, work, variables=()):
    if variables:
        _note_variables(request, variables, work)
    path = request["path"]
    for token in redact_paths.tokens(path):
        request["path"] = request["path"].replace(token, work.hidden(token))
    if len(path) >= redact_shapes.SHORTEST:
        request["path"] = work.scrub_shapes(request["path"])
    if request["path"] != path:
        work.note(place + ".path")
    request["query"] = redact_bodies.pairs(request["query"], place + ".query", work)
    work.keeps_shape = True
    for credential in request["credentials"]:
        inside = "%s.credentials.%s" % (place, credential["name"])
        if credential["kind"] != "environment":
            credential["value"] = _value(credential["value"], None, inside, work)
    work.keeps_shape = False
    _message(request, place, work)


def _note_variables(request, variables, work):
    """Where a request carries the value of a variable, the name of that variable says so: in the sandbox it has its value."""
    held = [value for _, value in request["headers"]]
    held += (request["path"], request["query"])
    if request["body"]["data"]:
        held.append(a2b_base64(request["body"]["data"]).decode("latin-1"))
    for name, value in request["headers"]:
        if name in ("authorization", "proxy-authorization") and value[:6].lower() == "basic ":
            held.append(_basic(value[6:].strip()) or "")
    text = "\n".join(held)
    for name, secret in variables:
        if secret in text or (_simple.fullmatch(secret) is None and any(write(secret) in text for write in _writings)):
            if name is None:
                continue
            hidden = work.masked(secret)
            request["credentials"].append({"kind": "environment", "name": name, "value": {"t": "str", "v": hidden, "len": len(hidden)}})


def _message(message, place, work):
    headers = message["headers"]
    for header in headers:
        name, value = header
        if is_secret(name):
            header[1] = _header(name, value, work)
            work.note("%s.headers.%s" % (place, name))
        elif name == "referer" or name == "location":
            header[1] = _address(value, "%s.headers.%s" % (place, name), work)
        else:
            scrubbed = work.scrub(value)
            if scrubbed != value:
                header[1] = scrubbed
                work.note("%s.headers.%s" % (place, name))
    body = message["body"]
    if body["data"]:
        raw = a2b_base64(body["data"])
        hidden = redact_bodies.body(raw, headers, place + ".body", work)
        if hidden != raw:
            body["data"] = base64.b64encode(hidden).decode("ascii")
            if not body["truncated"]:
                body["len"] = len(hidden)


def _address(value, place, work):
    """An address in a header: its query, and what tells of a token in its path."""
    address, mark, query = value.partition("?")
    hidden = work.scrub(address)
    for token in redact_paths.tokens(address):
        hidden = hidden.replace(token, work.hidden(token))
    if mark:
        query, hash_mark, fragment = query.partition("#")
        hidden += mark + redact_bodies.pairs(query, place, work) + hash_mark + redact_bodies.pairs(fragment, place, work)
    if hidden != value:
        work.note(place)
    return hidden


def _header(name, value, work):
    """A header with a secret name: what is no secret in it stays, so that a replay can be read as the request was."""
    if name == "cookie":
        return _mask_cookies(value, work)
    if name == "set-cookie":
        pair, semicolon, attributes = value.partition(";")
        return _mask_cookies(pair, work) + semicolon + work.scrub(attributes)
    scheme, space, rest = value.partition(" ")
    if rest and scheme.lower() in _schemes:
        work.learn(rest)
        if scheme.lower() == "basic":
            return scheme + space + _mask_basic(rest, work)
        return scheme + space + work.masked(rest)
    return work.hidden(value)


def _basic(token):
    try:
        return base64.b64decode(token, validate=True).decode("utf-8")
    except (binascii.Error, UnicodeError, ValueError):
        return None


def _mask_basic(token, work):
    """The name stays, the password is masked; what cannot be read is masked as it stands."""
    work.learn(token)
    plain = _basic(token)
    if plain is None or ":" not in plain:
        return work.masked(token)
    name, colon, password = plain.partition(":")
    work.learn(password)
    return base64.b64encode((name + colon + work.masked(password)).encode("utf-8")).decode("ascii")


def _mask_cookies(header, work):
    """The names stay, so that a replay knows which of them to make anew, and short values, which open no door."""
    parts = header.split(";")
    for number, part in enumerate(parts):
        name, equals, value = part.partition("=")
        plain = value.strip().strip('"')
        if not equals:
            parts[number] = work.hidden(part)
        elif len(plain) >= MIN_KNOWN or is_secret(name.strip()):
            work.learn(plain)
            parts[number] = name + equals + value.replace(plain, work.masked(plain)) if plain else part
    return ";".join(parts)


# Captured values

_open = frozenset(["none", "bool", "callable", "module", "cut"])
# A statement beside its parameters, as in the arguments of an `execute`.
_statements = frozenset(["statement", "sql", "query", "stmt", "operation", "_statement"])
_scalars = frozenset(["str", "bytes", "int", "float"])


def _named_values(values, place, work):
    if not _statements.isdisjoint(values):
        _beside_statement(values, place, work)
    for name, value in values.items():
        hidden = _value(value, name, place + "." + name, work)
        if hidden is not value:
            values[name] = hidden


def _beside_statement(values, place, work):
    from .dependencies import sql_names

    for name in _statements.intersection(values):
        statement = values[name]
        if statement["t"] != "str":
            continue
        names = sql_names.of_parameters(statement["v"])
        if not any(one and is_secret(one) for one in names):
            continue
        from .redact_answers import parameters

        for other, value in values.items():
            if value["t"] in ("tuple", "list") and value["items"]:
                parameters(value, names, place + "." + other, work)


def _call(call, work):
    work.enter([call["arguments"], call["keywords"]])
    work.keeps_shape = True
    for argument in call["arguments"]:
        argument[1] = _value(argument[1], argument[0], "call.arguments." + argument[0], work)
    _named_values(call["keywords"], "call.keywords", work)
    work.keeps_shape = False


def _value(value, name, place, work):
    """The value as it may leave the process, given the name it goes by."""
    kind = value["t"]
    if name is not None and kind not in _open and (is_secret_number(name) if kind == "int" or kind == "float" else is_secret(name)):
        if not (work.keeps_shape and (kind == "object" or kind == "dict" and _is_session(name))):
            work.note(place)
            if kind == "ref":
                return _reference(value, work)
            _learn_value(value, work, _is_session(name))
            return _masked_value(value, work) if work.keeps_shape else _placeholder(value)
    if kind == "str":
        text = value["v"]
        hidden = redact_bodies.in_json(text, place, work) if text[:1] in ("{", "[") else work.scrub(text)
        if hidden != text:
            work.note(place)
            value = dict(value, v=hidden)
    elif kind == "int":
        if len(value["v"]) >= redact_shapes.SHORTEST and redact_shapes.is_card(value["v"]):
            work.note(place)
            hidden = work.hidden(value["v"])
            return dict(value, v=hidden) if work.keeps_shape else _placeholder(value)
    elif kind == "bytes":
        value = _bytes_value(value, place, work, _scrub_bytes)
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
        if paired and name is not None and name.lower().endswith("auth"):
            # The name and password that HTTP clients take.
            first = "password"
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


def _placeholder(value):
    placeholder = {"t": "redacted", "kind": value["t"], "len": _length(value)}
    if "id" in value:
        placeholder["id"] = value["id"]
    return placeholder


def _reference(value, work):
    """What is secret by this name has another name elsewhere, and is learned from there."""
    kind, length = "object", 0
    for meant in work.identified(value["id"]):
        _learn_value(meant, work)
        kind, length = meant["t"], _length(meant)
    return value if work.keeps_shape else {"t": "redacted", "kind": kind, "len": length}


def _is_session(name):
    """Is this name secret for nothing but being that of a session? Most of what a session holds are no secrets."""
    return not is_secret(re.sub("(?i)session", "", name))


def _scrub_bytes(raw, work):
    for first, coding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if raw[first:12:2].strip("\0") == "" and len(raw) > 16:
            try:
                return work.scrub(raw.encode("latin-1").decode(coding)).encode(coding).decode("latin-1")
            except UnicodeError:
                break
    if raw[:1] in ("{", "["):
        return redact_bodies.in_json(raw, "", _Silent(work))
    return work.scrub(raw)


class _Silent:
    """A pass that notes no places, for texts inside of values."""

    def __init__(self, work):
        self._work = work

    def __getattr__(self, name):
        return getattr(self._work, name)

    @staticmethod
    def note(place):
        pass


def _text_of(value):
    if value["t"] == "str":
        return value["v"]
    if value["t"] == "bytes":
        return a2b_base64(value["v"]).decode("latin-1")
    return None


def _length(value):
    kind = value["t"]
    if "len" in value:
        return value["len"] or 0
    if kind in ("int", "float"):
        return len(value["v"])
    return len(value["text"]) if kind == "other" else 0


def _learn_value(value, work, is_session=False):
    kind = value["t"]
    if kind in ("str", "int"):
        work.learn(value["v"])
    elif kind == "bytes":
        work.learn(a2b_base64(value["v"]).decode("latin-1"))
    elif kind == "other":
        work.learn(value["text"])
    elif kind == "dict":
        for pair in value["items"]:
            key = _text_of(pair[0])
            if not is_session or key is None or is_secret(key):
                _learn_value(pair[1], work)
    elif kind in ("list", "tuple", "set", "frozenset"):
        for item in value["items"]:
            _learn_value(item, work)
    elif kind == "object":
        # The fields of a session or token object are mostly not secret; only those with a telling name are.
        for name, field in value["fields"].items():
            if is_secret(name):
                _learn_value(field, work, _is_session(name))
        if "content" in value:
            _learn_value(value["content"], work, is_session)


def _masked_value(value, work):
    """The same value with all texts and numbers in it masked."""
    kind = value["t"]
    if kind == "str":
        return dict(value, v=work.masked(value["v"]))
    if kind == "bytes":
        return _bytes_value(value, "", work, lambda raw, work: work.masked(raw))
    if kind == "int":
        return _placeholder(value) if work.asks else dict(value, v=redact_bodies.masked_number(value["v"]))
    if kind == "dict":
        return dict(value, items=[[pair[0], _masked_value(pair[1], work)] for pair in value["items"]])
    if kind in ("list", "tuple", "set", "frozenset"):
        return dict(value, items=[_masked_value(item, work) for item in value["items"]])
    if kind == "object":
        return _value(value, None, "", work)
    if kind == "other" and value["class"] == "uuid.UUID":
        return dict(value, text=work.masked(value["text"]))
    return _placeholder(value) if kind == "float" else value


def _bytes_value(value, place, work, hide):
    raw = a2b_base64(value["v"])
    inside = redact_bodies.unpacked(raw)
    text = (raw if inside is None else inside).decode("latin-1")
    hidden = hide(text, work)
    work.seen(hidden)
    if hidden == text:
        return value
    if place:
        work.note(place)
    hidden = hidden.encode("latin-1", "replace")
    if inside is not None:
        hidden = redact_bodies.packed_like(raw, hidden)
    return dict(value, v=base64.b64encode(hidden).decode("ascii"))


# The second visit: whatever is there, by what was met

_words = frozenset(["t", "kind", "protocol", "relation", "hook", "method", "scheme", "source_sha256"])


def _hide_everywhere(thing, work):
    """Hide what was met, in place, in all texts of plain data, in names and in bytes."""
    if type(thing) is list:
        for number, inner in enumerate(thing):
            if type(inner) is str:
                thing[number] = work.hide_known(inner)
            elif type(inner) is frames.LibraryFrame:
                # Frames of libraries are shared by all events.
                text = work.hide_known(inner["text"])
                if text != inner["text"]:
                    thing[number] = dict(inner, text=text)
            else:
                _hide_everywhere(inner, work)
        return
    if not isinstance(thing, dict):
        return
    if thing.get("t") == "bytes":
        thing["v"] = _hidden_bytes(thing["v"], work)
        return
    if "truncated" in thing and "data" in thing:
        if thing["data"]:
            thing["data"] = _hidden_bytes(thing["data"], work)
        return
    if thing.get("t") == "int" and thing["v"] in work.known:
        thing["v"] = redact_bodies.masked_number(thing["v"])
        return
    for name, inner in list(thing.items()):
        if len(name) >= MIN_KNOWN:
            hidden = work.hide_known(name)
            if hidden != name:
                del thing[name]
                thing[hidden] = inner
                name = hidden
        if type(inner) is str:
            if name not in _words and len(inner) >= MIN_KNOWN:
                thing[name] = work.hide_known(inner)
        else:
            _hide_everywhere(inner, work)


def _hidden_bytes(data, work):
    raw = a2b_base64(data)
    inside = redact_bodies.unpacked(raw)
    text = (raw if inside is None else inside).decode("latin-1")
    hidden = work.hide_known(text)
    if "\0" in hidden:
        for form, replacement, _ in work.forms():
            hidden = hidden.replace(_wide(form), _wide(replacement))
    if hidden == text:
        return data
    hidden = hidden.encode("latin-1", "replace")
    return base64.b64encode(hidden if inside is None else redact_bodies.packed_like(raw, hidden)).decode("ascii")
