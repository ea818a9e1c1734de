"""Guesses which columns the parameters and literals of a statement go to, so that secrets among them are known by name; it parses no SQL."""

import re

MAX_STATEMENT = 20000

_token = re.compile(
    r"(?P<literal>[bnexBNEX]?'(?:[^'\\]|''|\\.)*'?)|(?P<quoted>\"[^\"]*\"?|`[^`]*`?|\[[A-Za-z_][\w $]*\])|(?P<comment>--[^\n]*|/\*.*?(?:\*/|\Z))"
    r"|(?P<mark>%\((?P<named>\w+)\)s|%s|\?\d*|\$(?P<number>\d+)|(?<!:):(?P<colon>[A-Za-z_]\w*|\d+)|@(?P<at>[A-Za-z_]\w*))"
    r"|(?P<word>[A-Za-z_][\w$]*(?:\.[A-Za-z_][\w$]*)*)|(?P<value>\d[\w.]*)|(?P<sign><>|!=|<=|>=|\|\||::|[=<>(),;.*+/-])",
    re.S,
)
_quotes = "\"`[] \n\t"
# Between a column and what it is compared with.
_relations = frozenset(["=", "<>", "!=", "<", ">", "<=", ">=", "like", "ilike", "in", "is", "not", "any", "all", "from", "distinct", "between", "and", "to", "by", "+", "||", "::"])
_not_columns = frozenset(
    "select where and or on set values limit offset when then else case having returning as like ilike in is not any all between"
    " from join insert into update delete with using order group by null true false default distinct exists to for".split()
)
_alias = re.compile(r"(?i)([\w.\"`]+)\)*\s+as\s+[\"`]?(\w+)")

_plans = {}


class Plan:
    """For each parameter in its order, for each named or numbered one, and for each literal: the column it goes to."""

    __slots__ = ("positional", "named", "literals")

    def __init__(self):
        self.positional = []
        self.named = {}
        self.literals = []


def of_parameters(statement):
    """A list with the name of each positional parameter, None where it is not known; empty when none is."""
    names = plan(statement).positional
    return names if any(names) else []


def of_named(statement):
    """The columns of the parameters that are given by name."""
    return plan(statement).named


def literals(statement):
    """Triples of begin, end and column of the literals whose column is known."""
    return plan(statement).literals


def of_aliases(statement):
    """What columns of the answer are called, to what they are."""
    if len(statement) > MAX_STATEMENT or " as " not in statement.lower():
        return {}
    return {found.group(2): _column(found.group(1)) for found in _alias.finditer(statement)}


def plan(statement):
    known = _plans.get(statement)
    if known is None:
        if len(_plans) >= 200:
            _plans.clear()
        known = _Scan().of(statement) if len(statement) <= MAX_STATEMENT else Plan()
        # Statements with literals are all different, and not worth remembering.
        if not known.literals:
            _plans[statement] = known
    return known


class _Scan:
    """One walk over the tokens of a statement."""

    def __init__(self):
        self.plan = Plan()
        self.numbered = {}
        # The column that was named last, and whether something relates it to what follows.
        self.column = None
        self.related = False
        self.listed = None
        self.place = 0
        self.depth = 0
        self.values_depth = None
        self.after_into = 0
        self.collected = []

    def of(self, statement):
        for found in _token.finditer(statement):
            kind = found.lastgroup
            if found.group("mark"):
                self._parameter(found)
            elif kind == "literal":
                name = self._name()
                if name is not None:
                    self.plan.literals.append((found.start(), found.end(), name))
            elif kind == "sign":
                self._sign(found.group())
            elif kind in ("word", "quoted"):
                self._word(found.group())
        if self.numbered:
            last = max(self.numbered)
            if last <= 5000:
                self.plan.positional = [self.numbered.get(number) for number in range(1, last + 1)]
        return self.plan

    def _name(self):
        if self.values_depth is not None and self.depth > self.values_depth or self.values_depth == -1:
            return self.listed[self.place % len(self.listed)] if self.listed else None
        return self.column if self.related else None

    def _parameter(self, found):
        name = self._name()
        label = found.group("named") or found.group("at")
        number = found.group("number")
        colon = found.group("colon")
        if colon:
            if colon.isdigit():
                number = colon
            else:
                label = colon
        if number:
            # A number may be used more than once.
            self.numbered[int(number)] = self.numbered.get(int(number)) or name
        elif label:
            if name is not None:
                self.plan.named.setdefault(label, name)
            if found.group("colon"):
                self.plan.positional.append(name)
        else:
            self.plan.positional.append(name)

    def _sign(self, sign):
        if sign == "(":
            if self.after_into == 2:
                self.after_into = 3
                self.collected = []
            self.depth += 1
            if self.values_depth is not None and self.depth == self.values_depth + 1:
                self.place = 0
        elif sign == ")":
            self.depth = max(0, self.depth - 1)
            if self.after_into == 3:
                self.listed, self.after_into = self.collected, 0
        elif sign == ",":
            if self.values_depth is not None and self.depth == max(0, self.values_depth + 1):
                self.place += 1
        elif sign == ";":
            self.column, self.related, self.values_depth, self.listed = None, False, None, None
        elif sign in _relations:
            self.related = self.column is not None

    def _word(self, text):
        word = text.lower()
        if self.after_into == 1:
            # The table, maybe with its schema in quotes.
            self.after_into = 2
            return
        if self.after_into == 3:
            self.collected.append(_column(text))
            return
        if word in ("into", "replace"):
            self.after_into, self.listed, self.values_depth = 1, None, None
        elif self.after_into == 2 and word in ("values", "select", "default", "set", "as", "overriding"):
            self.after_into = 0
        if word in ("values", "value") and self.listed:
            self.values_depth, self.place, self.column = self.depth, 0, None
        elif word == "select" and self.listed and self.values_depth is None:
            # The selected expressions go to the columns one by one.
            self.values_depth, self.place = -1, 0
        elif word in ("on", "returning", "from", "where"):
            self.values_depth, self.listed = None, None
            self.column, self.related = None, False
        elif word in ("password", "identified") or word not in _not_columns:
            if self.values_depth is not None and self.depth > self.values_depth:
                return
            # What is called on the other side of a relation is no column: `token = crypt(?, salt)`.
            if self.related and self.column is not None and word not in _not_columns and self._is_function(word):
                return
            self.column, self.related = _column(text), word in ("password", "identified")
        elif word in _relations:
            self.related = self.related or (self.column is not None and word != "and")
        else:
            self.column, self.related = None, False

    @staticmethod
    def _is_function(word):
        return word in _functions


_functions = frozenset(
    "lower upper trim crypt digest encode decode md5 sha sha1 sha2 sha224 sha256 sha512 hashbytes cast convert concat coalesce hex unhex"
    " text varchar bytea uuid pgp_sym_encrypt gen_salt password array".split()
)


def _column(text):
    return text.rpartition(".")[2].strip(_quotes)
