"""Takes secrets out of queries, forms and bodies, in the text itself, so that all else stays byte for byte; what is secret is said elsewhere."""

import json
import re
import zlib
from urllib.parse import quote, quote_plus, unquote_plus

from . import settings
from .redact_names import HINTS, is_secret, is_secret_number

# One of these is in every JSON text in which anything can be hidden.
_json_hints = HINTS + ("://", "eyj", "bearer", "basic", "digest", "pin", "otp", "cvc", "jwt", "sid", "\\u00")
MAX_UNPACKED = 8 << 20

# Strings, with the sign behind those that are names; brackets; numbers and words.
_json_token = re.compile(r'("(?:[^"\\]|\\.)*"?)(\s*:)?|[{}\[\]]|[^\s{}\[\],:"]+', re.S)
_json_unit = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.|.", re.S)
_json_number = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_digit = re.compile(r"\d")
_entity = re.compile(r"(&#?\w{1,10};)")
_element = re.compile(r"<((?:[\w.-]{1,60}:)?([\w.-]{1,80}))(?:\s[^<>]{0,1000})?(?<!/)>")
_inner_text = re.compile(r"<!\[CDATA\[.*?\]\]>|<[^>]*>", re.S)
_named_element = re.compile(r"<(?:\w{1,20}:)?(?:name|key)>\s{0,20}([^<>]{1,80}?)\s{0,20}</(?:\w{1,20}:)?(?:name|key)>\s{0,20}(?=<)", re.I)
_tag = re.compile(r"<[^<>]{1,2000}>")
_attribute = re.compile(r"([\w:.-]{1,80})\s{0,4}=\s{0,4}(?:\"([^\"]*)\"|'([^']*)')")
_multipart_name = re.compile(rb'(?i)\bname="?([^";\r\n]+)"?')


def pairs(text, place, work):
    """A query string or form: the values of secret names are masked in place."""
    if not text:
        return text
    parts = text.split("&")
    for number, part in enumerate(parts):
        name, equals, value = part.partition("=")
        if not value:
            if not equals and len(part) >= 13:
                parts[number] = work.scrub(part)
            continue
        plain_name = unquote_plus(name)
        plain = unquote_plus(value)
        if is_secret(plain_name):
            work.learn(plain)
            hidden = work.masked(plain)
        elif plain[:1] in ("{", "["):
            hidden = in_json(plain, place, work)
        else:
            hidden = work.scrub(plain)
        if hidden != plain:
            parts[number] = name + "=" + _quoted_like(value, hidden)
            work.note("%s.%s" % (place, plain_name))
    return "&".join(parts)


def _quoted_like(original, text):
    """The text in the form of the original: what stood there without an escape still does."""
    literal = "".join(one for one in set(original) if one not in "%+" and one.isascii())
    return quote(text, literal) if "%20" in original or "+" not in original else quote_plus(text, literal)


def body(raw, headers, place, work):
    """The bytes of a body as they may leave the process; `headers` are pairs."""
    content_type = encoding = ""
    for name, value in headers:
        if name == "content-type":
            content_type = value.lower()
        elif name == "content-encoding":
            encoding = value.lower().strip()
    if encoding in ("gzip", "x-gzip", "deflate"):
        return _packed(raw, encoding, content_type, place, work)
    return _plain(raw, content_type, place, work)


def _packed(raw, encoding, content_type, place, work):
    try:
        unpacking = zlib.decompressobj(zlib.MAX_WBITS | 32)
        data = unpacking.decompress(raw, MAX_UNPACKED)
    except zlib.error:
        try:
            data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(raw, MAX_UNPACKED)
        except zlib.error:
            # It is not what it says.
            return _plain(raw, content_type, place, work)
    hidden = _plain(data, content_type, place, work)
    if hidden == data:
        work.seen(data.decode("latin-1"))
        return raw
    packing = zlib.compressobj(wbits=zlib.MAX_WBITS | 16 if "gzip" in encoding else zlib.MAX_WBITS)
    return packing.compress(hidden) + packing.flush()


def unpacked(raw):
    """What compressed bytes hold; None where they are not compressed or cannot be read."""
    if raw[:2] not in (b"\x1f\x8b", b"\x78\x9c", b"\x78\x01", b"\x78\xda"):
        return None
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(raw, MAX_UNPACKED)
    except zlib.error:
        return None


def packed_like(raw, data):
    packing = zlib.compressobj(wbits=zlib.MAX_WBITS | 16 if raw[:2] == b"\x1f\x8b" else zlib.MAX_WBITS)
    return packing.compress(data) + packing.flush()


def _plain(raw, content_type, place, work):
    if "multipart/" in content_type:
        hidden = _multipart(raw, content_type, place, work)
        work.seen(hidden.decode("latin-1"))
        return hidden
    coding = "utf-8"
    if b"\0" in raw[:8] and (raw[:2] in (b"\xff\xfe", b"\xfe\xff") or "utf-16" in content_type):
        coding = "utf-16-be" if raw[:2] == b"\xfe\xff" or "utf-16be" in content_type else "utf-16-le"
    try:
        text = raw.decode(coding)
    except UnicodeDecodeError:
        # Latin-1 maps bytes to characters and back one to one, so that text inside is found all the same.
        coding = "latin-1"
        text = raw.decode(coding)
    if "x-www-form-urlencoded" in content_type:
        hidden = pairs(text, place, work)
    elif "json" in content_type or text.lstrip("\ufeff \r\n\t")[:1] in ("{", "["):
        hidden = in_json(text, place, work)
    else:
        hidden = work.scrub(text)
        if "<" in text:
            hidden = in_markup(hidden, work)
        if hidden != text:
            work.note(place)
    work.seen(hidden if coding == "latin-1" or hidden.isascii() else hidden.encode("utf-8", "replace").decode("latin-1"))
    return hidden.encode(coding, "replace") if hidden is not text else raw


def in_json(text, place, work):
    """Mask inside of the text itself, token by token, so that all else stays byte for byte, valid or not."""
    if not settings.redact_names and not settings.redact_patterns:
        lowered = text.lower()
        for word in _json_hints:
            if word in lowered:
                break
        else:
            return work.scrub_shapes(text)
    # What is put where, by the place of its begin.
    changes = {}
    # For each open container: is all inside of it secret, the name it has, and where in it a name and its value may stand apart.
    stack = []
    inherited, name, apart = False, None, None
    odd = False
    for found in _json_token.finditer(text):
        token = found.group(1)
        if token is not None:
            if found.group(2) is not None:
                name = _json_text(token) if "\\" in token else token[1:-1]
                if len(token) > 16:
                    _change(changes, found, token, _scrubbed_string(token, place, work), None, place, work)
                continue
            if inherited or (name is not None and is_secret(name)):
                _change(changes, found, token, _masked_scalar(token, work), name, place, work)
            elif len(token) > 6:
                hidden = _scrubbed_string(token, place, work)
                if hidden is not token:
                    _change(changes, found, token, hidden, name, place, work)
        else:
            token = found.group()
            first = token[0]
            if first in "{[":
                stack.append((inherited, name, apart))
                if name is not None and not inherited and is_secret(name):
                    work.note("%s.%s" % (place, name))
                    inherited = True
                name, apart = None, [] if first == "[" else {}
                continue
            if first in "}]":
                if apart is not None and len(apart) == 2:
                    _named_apart(apart, changes, text, place, work)
                if stack:
                    inherited, name, apart = stack.pop()
                name = None
                continue
            if inherited or (name is not None and is_secret_number(name)):
                _change(changes, found, token, _masked_scalar(token, work), name, place, work)
            elif first in "-0123456789":
                if len(token) >= 13:
                    _change(changes, found, token, work.scrub_shapes(token), name, place, work)
            elif token not in _json_words:
                odd = True
        if name is not None:
            if name.lower() in _apart and type(apart) is dict:
                apart[name.lower()] = found
            name = None
        elif type(apart) is list and len(apart) < 3:
            apart.append(found)
    out, end = [], 0
    for begin in sorted(changes):
        close, hidden = changes[begin]
        out.append(text[end:begin])
        out.append(hidden)
        end = close
    if out:
        out.append(text[end:])
        text = "".join(out)
    return work.scrub(text) if odd else text


_json_words = frozenset(["true", "false", "null", "NaN", "Infinity", "-Infinity"])
_apart = frozenset(["name", "key", "field", "value", "val"])


def _change(changes, found, token, hidden, name, place, work):
    if hidden != token:
        changes[found.start()] = (found.start() + len(token), hidden)
        work.note("%s.%s" % (place, name) if name is not None else place)


def _named_apart(apart, changes, text, place, work):
    """`{"name": "password", "value": ...}` and `["password", ...]`."""
    if type(apart) is list:
        label, value = apart
    else:
        label = apart.get("name") or apart.get("key") or apart.get("field")
        value = apart.get("value") or apart.get("val")
    if label is None or value is None or label.group(1) is None:
        return
    name = _json_text(label.group(1))
    token = value.group(1) or value.group()
    # Two short words are more likely a list of names.
    if len(name) <= 80 and is_secret(name) and (type(apart) is dict or _word.fullmatch(token) is None):
        _change(changes, value, token, _masked_scalar(token, work), name, place, work)


_word = re.compile(r'"[a-z_]{0,20}"')


def _json_text(token):
    try:
        text = json.loads(token if token[-1] == '"' and len(token) > 1 else token + '"', strict=False)
        return text if type(text) is str else token
    except ValueError:
        return token.strip('"')


def _masked_scalar(token, work):
    if token[0] == '"':
        content = token[1:-1] if len(token) > 1 and token[-1] == '"' else token[1:]
        if "\\" not in content:
            work.learn(content)
            return '"' + work.masked(content) + token[1 + len(content) :]
        plain = _json_text(token)
        work.learn(content)
        work.learn(plain)
        return '"' + masked_json(content, plain, work.masked(plain)) + token[1 + len(content) :]
    if token[0] in "-0123456789":
        work.learn(token)
        return masked_number(token)
    if token in ("true", "false", "null"):
        return token
    work.learn(token.strip("'"))
    return work.masked(token)


def masked_json(content, plain, hidden):
    """The content of a JSON string, which is `plain`, masked as `hidden`; what was written with an escape still is."""
    units = _json_unit.findall(content)
    if not len(units) == len(plain) == len(hidden):
        return json.dumps(hidden)[1:-1]
    return "".join(
        unit if one == other else "\\u%04x" % ord(other) if unit.startswith("\\") else other for unit, one, other in zip(units, plain, hidden)
    )


def masked_number(token):
    """A number must not begin with a zero; its exponent goes, for 0e00 is a number and 1e999 is none."""
    masked = _digit.sub("0", token)
    return masked if len(token) == 1 else re.sub("^(-?)0(?=0)", r"\g<1>1", masked)


def _scrubbed_string(token, place, work):
    content = token[1:-1] if len(token) > 1 and token[-1] == '"' else token[1:]
    if "\\" not in content:
        hidden = work.scrub(content) if content[0] not in "{[" else in_json(content, place, work)
        return token if hidden is content else '"' + hidden + token[1 + len(content) :]
    plain = _json_text(token)
    hidden = in_json(plain, place, work) if plain[:1] in ("{", "[") else work.scrub(plain)
    if hidden == plain:
        return token
    return json.dumps(hidden, ensure_ascii=content.isascii())[:-1] + token[1 + len(content) :]


def in_markup(text, work):
    """XML and HTML: what elements with a secret name hold, and the values of such fields."""
    lowered = text.lower()
    for word in HINTS:
        if word in lowered:
            break
    else:
        if settings.redact_names == ():
            return text
    out, end = [], 0
    for found in _element.finditer(text):
        if found.start() < end or not is_secret(found.group(2)):
            continue
        close = text.find("</" + found.group(1), found.end())
        if close < 0:
            close = min(len(text), found.end() + 4000)
        out.append(text[end : found.end()])
        out.append(_masked_inside(text[found.end() : close], work))
        end = close
    text = "".join(out) + text[end:]
    if "name>" in lowered or "key>" in lowered:
        text = _after_named(text, work)
    if "name" in lowered or "key" in lowered:
        text = _tag.sub(lambda found: _in_tag(found.group(), work), text)
    return text


def _masked_inside(text, work):
    """Tags stay, and entities, so that the text can still be read."""
    out, end = [], 0
    for found in [*_inner_text.finditer(text), None]:
        out.append(_masked_entities(text[end : found.start() if found else len(text)], work))
        if found:
            inner = found.group()
            out.append("<![CDATA[" + _masked_text(inner[9:-3], work) + "]]>" if inner.startswith("<![CDATA[") else inner)
            end = found.end()
    return "".join(out)


def _masked_text(text, work):
    work.learn(text)
    return work.masked(text)


def _masked_entities(text, work):
    if "&" not in text:
        plain = text.strip()
        return text.replace(plain, _masked_text(plain, work)) if plain else text
    from html import unescape

    work.learn(text)
    work.learn(unescape(text))
    return "".join(part if _entity.fullmatch(part) else work.masked(part) for part in _entity.split(text))


def _after_named(text, work):
    out, end = [], 0
    for found in _named_element.finditer(text):
        if found.start() < end or not is_secret(found.group(1)):
            continue
        name = re.match(r"<([\w:.-]{1,80})", text[found.end() : found.end() + 100])
        close = text.find("</" + name.group(1), found.end()) if name else -1
        if close < 0:
            continue
        begin = text.find(">", found.end()) + 1
        out.append(text[end:begin])
        out.append(_masked_inside(text[begin:close], work))
        end = close
    return "".join(out) + text[end:]


def _in_tag(tag, work):
    """`<input name="csrf_token" value="...">`, `<meta name="csrf-token" content="...">`, `<add key="password" value="..."/>`."""
    label = value = None
    for found in _attribute.finditer(tag):
        name = found.group(1).lower()
        if name in ("name", "key", "id", "property"):
            text = found.group(found.lastindex) if found.lastindex else ""
            label = label or is_secret(text)
        elif name in ("value", "content"):
            value = found
    if not label or value is None or value.lastindex is None or not value.group(value.lastindex):
        return tag
    begin, end = value.span(value.lastindex)
    return tag[:begin] + _masked_entities(tag[begin:end], work) + tag[end:]


def _multipart(raw, content_type, place, work):
    # Content types were lowered for comparison, boundaries are not; the first line tells it as it is.
    lines = raw.split(b"\r\n", 1)
    if not lines[0].startswith(b"--"):
        return work.scrub(raw.decode("latin-1")).encode("latin-1", "replace")
    delimiter = lines[0]
    parts = raw.split(delimiter)
    for number, part in enumerate(parts):
        head, separator, content = part.partition(b"\r\n\r\n")
        if not separator:
            continue
        name = _multipart_name.search(head)
        text_name = name.group(1).decode("utf-8", "replace") if name is not None else "part"
        if is_secret(text_name):
            end = b"\r\n" if content.endswith(b"\r\n") else b""
            value = content[: len(content) - len(end)].decode("utf-8", "surrogateescape")
            work.learn(value.strip())
            hidden = work.masked(value).encode("utf-8", "surrogateescape") + end
        else:
            own_type = re.search(rb"(?i)content-type:\s*([^\r\n]+)", head)
            own_type = own_type.group(1).decode("latin-1").lower() if own_type else ""
            hidden = _plain(content, "" if "multipart/" in own_type else own_type, place + "." + text_name, work)
        if hidden != content:
            parts[number] = head + separator + hidden
            work.note("%s.%s" % (place, text_name))
    return delimiter.join(parts)
