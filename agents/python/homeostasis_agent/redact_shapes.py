"""Finds secrets by their own shape, and makes what stands in their place; names are not looked at.

Only shapes that are published or carry a check sum are known: what is hidden by mistake cannot be reproduced.
"""

import re

# The shortest text in which any shape can be found.
SHORTEST = 13

_ascii = {code: "x" for code in (*range(65, 91), *range(97, 123))}
_ascii.update({code: "0" for code in range(48, 58)})
_letter = re.compile(r"[^\W\d_]")
_digit = re.compile(r"\d")
_hexadecimal = re.compile(r"[0-9a-f]{16,}|[0-9A-F]{16,}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_hexadecimal_letters = {**{code: "a" for code in range(97, 103)}, **{code: "A" for code in range(65, 71)}, **{code: "0" for code in range(48, 58)}}

_web_token = re.compile(r"(?<![\w-])eyJ[\w-]{5,4000}\.[\w-]{1,8000}\.[\w-]*(?:\.[\w-]+){0,2}")
# Tokens with a prefix that their issuer publishes; the first group is the prefix, which is no secret.
_with_underscore = re.compile(
    r"(?<![A-Za-z0-9])(?:(gh[pousr]_)[A-Za-z0-9]{36,255}|(github_pat_)[A-Za-z0-9_]{22,255}|([sr]k_(?:live|test)_)[A-Za-z0-9]{10,255}"
    r"|(whsec_)[A-Za-z0-9+/=]{24,255}|(npm_)[A-Za-z0-9]{36}|(dop_v1_)[a-f0-9]{64}|(shp(?:at|ca|pa|ss)_)[a-fA-F0-9]{32}|(hf_)[A-Za-z0-9]{34,40})"
)
_with_dash = re.compile(
    r"(?<![A-Za-z0-9])(?:(gl(?:pat|ptt|dt|rt|soat|cbt|imt|ft|oas|agent)-)[\w.-]{20,255}|(xox[abceoprs]-)[\w-]{10,255}|(xapp-)[\w-]{20,255}"
    r"|(?<!-)(sk-)(?=[\w-]{0,255}\d)(?=[\w-]{0,255}[A-Z])[\w-]{20,255}|(pypi-AgE)[\w-]{50,1000}|(GOCSPX-)[\w-]{28})"
)
_of_amazon = re.compile(r"(?<![A-Za-z0-9/+])(AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9/+=])")
_of_google = re.compile(r"(?<![A-Za-z0-9])(?:(AIza)[\w-]{35}(?![\w-])|(ya29\.)[\w-]{20,1000})")
_of_sendgrid = re.compile(r"(?<![A-Za-z0-9])(SG\.)[\w-]{22}\.[\w-]{43}")
_of_slack_hooks = re.compile(r"(hooks\.slack\.com/(?:services|workflows|triggers)/)[\w/]{20,200}")
_private_key = re.compile(r"(-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)((?:(?!-----).){1,20000})", re.S)
_line_end = re.compile(r"[\r\n]+|\\+[nrt]")

_many_digits = re.compile(r"\d[\d -]{6}\d")
_card = re.compile(r"(?<![\w.])(?<!\d[ -])\d(?:[ -]?\d){12,18}(?!\w)(?![ -]\d)")
_account = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])")
# Issuers with the lengths of their numbers.
_issuer = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720|6011|65\d\d|64[4-9]\d|352[89]|35[3-8]\d)\d{12}"
    r"|3[47]\d{13}|3(?:0[0-5]|[689]\d)\d{11}|62\d{14,17}"
)
# Lengths of international account numbers by country, from the registry of ISO 13616.
_lengths = {
    15: "NO", 16: "BE", 18: "DK FK FI FO GL NL SD", 19: "MK SI", 20: "AT BA EE KZ LT LU MN XK", 21: "CH HR LI LV",
    22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ OM SO TL", 24: "AD CZ ES MD PK RO SA SE SK TN VG", 25: "LY PT ST",
    26: "IS TR", 27: "BI DJ FR GR IT MC MR SM", 28: "AL AZ BY CY DO GT HU LB NI PL SV", 29: "BR EG PS QA UA", 30: "JO KW MU YE",
    31: "MT SC", 32: "LC", 33: "RU",
}
_length_in = {country: length for length, countries in _lengths.items() for country in countries.split()}


def mask(text):
    """The same length and shape: letters become `x`, digits `0`, other characters stay."""
    if text.isascii():
        return text.translate(_ascii)
    return _digit.sub("0", _letter.sub("x", text))


def masked(text):
    """What stands in the place of a secret: its mask, but of the same kind where the kind can be seen.

    A card number becomes another valid one of the same issuer, an account number a valid one of the same country, what
    is hexadecimal stays so, and published prefixes stay. It depends on the text alone.
    """
    if len(text) < SHORTEST:
        return mask(text)
    found = _many_digits.search(text) is not None
    if found and _card.fullmatch(text) is not None and is_card(text):
        return _other_card(text)
    if found and _account.fullmatch(text) is not None and is_account(text):
        return _other_account(text)
    if _hexadecimal.fullmatch(text) is not None:
        return text.translate(_hexadecimal_letters)
    for pattern in _prefixed:
        token = pattern.fullmatch(text)
        if token is not None:
            return _after_prefix(token)
    return mask(text)


_prefixed = (_with_underscore, _with_dash, _of_amazon, _of_google, _of_sendgrid)


def _after_prefix(token):
    prefix = token.group(token.lastindex)
    return prefix + mask(token.group()[len(prefix) :])


def hide(text, replace):
    """The text with `replace(secret)` in the place of each secret that is known by its shape.

    Plain searches rule most texts out before any expression is tried.
    """
    if "eyJ" in text:
        text = _web_token.sub(lambda found: replace(found.group()), text)
    if "_" in text and (
        "gh" in text or "_pat_" in text or "k_live_" in text or "k_test_" in text or "npm_" in text or "whsec_" in text or "dop_v1_" in text or "shp" in text
        or "hf_" in text
    ):
        text = _with_underscore.sub(lambda found: replace(found.group()), text)
    if "-" in text:
        if "sk-" in text or "gl" in text or "xox" in text or "xapp-" in text or "pypi-" in text or "GOCSPX-" in text:
            text = _with_dash.sub(lambda found: replace(found.group()), text)
        if "-----BEGIN" in text:
            text = _private_key.sub(lambda found: found.group(1) + _key_body(found.group(2), replace), text)
    if "IA" in text or "ACCA" in text:
        text = _of_amazon.sub(lambda found: replace(found.group()), text)
    if "AIza" in text or "ya29." in text:
        text = _of_google.sub(lambda found: replace(found.group()), text)
    if "SG." in text:
        text = _of_sendgrid.sub(lambda found: replace(found.group()), text)
    if "hooks.slack.com/" in text:
        text = _of_slack_hooks.sub(lambda found: found.group(1) + replace(found.group()[len(found.group(1)) :]), text)
    if _many_digits.search(text) is not None:
        text = _card.sub(lambda found: replace(found.group()) if is_card(found.group()) else found.group(), text)
        text = _account.sub(lambda found: _hide_account(found.group(), replace), text)
    return text


def _key_body(body, replace):
    """Line by line, for the lines of a key may turn up one by one; line ends stay, written as escapes too."""
    out, end = [], 0
    for found in [*_line_end.finditer(body), None]:
        line = body[end : found.start() if found else len(body)]
        out.append(replace(line) if line.strip() else line)
        if found:
            out.append(found.group())
            end = found.end()
    return "".join(out)


def is_card(text):
    """Is this the number of a payment card: of a known issuer, of its length, with the check digit of ISO 7812?"""
    digits = text.replace(" ", "").replace("-", "")
    return _issuer.fullmatch(digits) is not None and _luhn(digits) == 0


def _luhn(digits):
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = ord(digit) - 48
        total += value if place % 2 == 0 else value * 2 - 9 * (value > 4)
    return total % 10


def _other_card(text):
    """The issuer's first four digits, zeros, and the check digit that belongs to them."""
    digits = text.replace(" ", "").replace("-", "")
    zeros = digits[:4] + "0" * (len(digits) - 5)
    digits = iter(zeros + str((10 - _luhn(zeros + "0")) % 10))
    return "".join(next(digits) if one.isdigit() else one for one in text)


def is_account(text):
    """Is this an international bank account number: of the length of its country, with the check sum of ISO 7064?"""
    plain = text.replace(" ", "")
    return _length_in.get(plain[:2]) == len(plain) and _remainder(plain) == 1


def _remainder(plain):
    return int("".join(str(int(one, 36)) for one in plain[4:] + plain[:4])) % 97


def _other_account(text):
    plain = text.replace(" ", "")
    rest = "".join("0" if one.isdigit() else "X" for one in plain[4:])
    check = "%02d" % (98 - _remainder(plain[:2] + "00" + rest))
    characters = iter(plain[:2] + check + rest)
    return "".join(" " if one == " " else next(characters) for one in text)


def _hide_account(text, replace):
    """The expression takes as much as looks like one; a word in capital letters may follow."""
    plain = text.replace(" ", "")
    length = _length_in.get(plain[:2])
    if length is None or length > len(plain):
        return text
    count = end = 0
    while count < length:
        count += text[end] != " "
        end += 1
    if text[end : end + 1] not in ("", " ") or not is_account(text[:end]):
        return text
    return replace(text[:end]) + text[end:]
