"""Secrets in the places where programs have them, as data; what is done with them is up to the tests.

`cases(random)` gives a list of `Case`. Each has a name, a `secret` that is a unique random text of its run (so that one
search over what left the process decides), and one of these ways in which a program comes to know it:

- `request`: `{"method", "path", "query", "headers", "body"}` of a request; the path is to be put behind the failing route.
- `code`: the body of a function that fails while the secret is in it; `vault()` gives the secret there.
- `environment`: variables of the process; `code` then says where they turn up, and `vault()` is not asked.
- `arguments`: of the command line.
- `answer`: what a dependency was asked and answered, as `recording.described` writes it.
- `response`: `{"status", "headers", "body"}` of an answer of the program itself, as witnesses carry it.

`also` are parts of the secret, or other forms of it, that must not leave either.
"""

import base64
import gzip
import json
import string
from urllib.parse import quote, quote_plus
from uuid import UUID

LETTERS = string.ascii_letters + string.digits


class Case:
    def __init__(self, name, secret, request=None, code=None, environment=None, arguments=None, answer=None, response=None, also=()):
        self.name = name
        self.secret = secret
        self.request = request
        self.code = code
        self.environment = environment or {}
        self.arguments = arguments
        self.answer = answer
        self.response = response
        self.also = also

    def __repr__(self):
        return self.name


def cases(random):
    made = _Made(random)
    _headers(made)
    _queries(made)
    _paths(made)
    _json_bodies(made)
    _other_bodies(made)
    _locals(made)
    _texts(made)
    _shapes(made)
    _environment(made)
    _arguments(made)
    _sql(made)
    _http(made)
    _redis(made)
    _responses(made)
    return made.cases


class _Made:
    """The cases made so far, and where their secrets are drawn from."""

    def __init__(self, random):
        self.random = random
        self.cases = []

    def text(self, length=24, alphabet=LETTERS):
        """Letters and digits, some of each."""
        while True:
            found = "".join(self.random.choice(alphabet) for _ in range(length))
            if any(one.isdigit() for one in found) and any(one.isalpha() for one in found):
                return found

    def hexadecimal(self, length=32):
        return self.text(length, "0123456789abcdef")

    def base64(self, length=30):
        return base64.b64encode(bytes(self.random.randrange(256) for _ in range(length))).decode()

    def add(self, name, secret, **more):
        self.cases.append(Case(name, secret, **more))

    def request(self, name, secret, headers=(), query="", body=b"", path="", content_type=None, also=(), method="POST"):
        headers = [list(pair) for pair in headers]
        if content_type:
            headers.append(["Content-Type", content_type])
        body = body.encode() if isinstance(body, str) else body
        self.add(name, secret, request={"method": method, "path": path, "query": query, "headers": headers, "body": body}, also=also)

    def code(self, name, secret, *lines, also=()):
        self.add(name, secret, code="\n".join(lines), also=also)


def _headers(made):
    for scheme in ("Bearer", "Token", "ApiKey", "Digest", "Negotiate", "JWT"):
        secret = made.text(40)
        made.request("authorization %s" % scheme, secret, [("Authorization", "%s %s" % (scheme, secret))])
    password = made.text(16)
    made.request(
        "authorization basic", password, [("Authorization", "Basic " + base64.b64encode(("ada:" + password).encode()).decode())]
    )
    for name in (
        "X-Api-Key", "Api-Key", "X-Auth-Token", "X-CSRF-Token", "X-Amz-Security-Token", "X-Client-Secret", "X-Gitlab-Token", "X-Access-Key",
        "X-Session-Id", "X-XSRF-TOKEN",
    ):
        secret = made.text()
        made.request("header " + name, secret, [(name, secret)])
    secret = made.text()
    made.request("proxy authorization", secret, [("Proxy-Authorization", "Basic " + base64.b64encode(("proxy:" + secret).encode()).decode())])
    secret = made.text()
    made.request("cookie", secret, [("Cookie", "theme=dark; sid=%s; lang=de" % secret)])
    secret = made.text()
    made.request("cookie of an unknown name", secret, [("Cookie", "a=1; remember_me=%s" % secret)])
    secret = made.text()
    made.request("cookie in quotes", secret, [("Cookie", 'prefs="%s"' % secret)])
    secret = made.text()
    made.request("token in the referer", secret, [("Referer", "https://shop.example.org/login?access_token=%s&next=/" % secret)])
    secret = made.text()
    made.request("reset link in the referer", secret, [("Referer", "https://shop.example.org/reset-password/" + secret)])
    secret = made.text()
    made.request("forwarded credentials", secret, [("X-Original-Url", "https://ada:%s@intern.example.org/" % secret)])
    secret = made.text()
    made.request("signature of amazon", secret, [("Authorization", "AWS4-HMAC-SHA256 Credential=A/20240101/eu/s3, Signature=" + secret)])


def _queries(made):
    for name in ("token", "api_key", "access_token", "client_secret", "password", "sessionid", "user[password]", "auth[0][secret]", "tokens[]", "pwd"):
        secret = made.text()
        made.request("query " + name, secret, query="a=1&%s=%s&b=2" % (quote(name, "[]"), secret))
    secret = "s3 cr/t+%s&=ü" % made.text(12)
    made.request("query percent-escaped", secret, query="password=" + quote(secret, ""))
    secret = "pl us %s" % made.text(12)
    made.request("query with plus signs", secret, query="password=" + quote_plus(secret))
    secret = made.text()
    made.request("query escaped letter by letter", secret, query="token=" + "".join("%%%02X" % ord(one) for one in secret))
    secret = made.text()
    made.request("query name escaped", secret, query="%70assword=" + secret)
    secret = made.text()
    made.request("query repeated", secret, query="token=abc&token=%s&token=def" % secret)
    secret = made.text()
    made.request("query within a query", secret, query="next=" + quote("/orders?access_token=%s&a=1" % secret, ""))
    secret = made.text()
    made.request("query with semicolons", secret, query="a=1;token=%s;b=2" % secret)
    secret = made.text()
    made.request("query holding json", secret, query="filter=" + quote(json.dumps({"user": "ada", "api_key": secret}), ""))


def _paths(made):
    for before in ("reset", "password-reset", "verify", "activate", "invite", "unsubscribe", "magic-link", "token", "hooks"):
        secret = made.text(32)
        made.request("path after " + before, secret, path="/%s/%s" % (before, secret), method="GET")
    secret = str(UUID(hex=made.hexadecimal(32)))
    made.request("path with an identifier after session", secret, path="/session/%s/end" % secret, method="GET")
    secret = _web_token(made)
    made.request("path with a web token", secret, path="/confirm/%s" % secret, method="GET")


def _json_bodies(made):
    def body(name, secret, thing, content_type="application/json", also=()):
        made.request("json " + name, secret, body=thing if isinstance(thing, (str, bytes)) else json.dumps(thing), content_type=content_type, also=also)

    for name in ("password", "newPassword", "client_secret", "apiKey", "refresh_token", "privateKey", "user_passphrase", "otp"):
        secret = made.text()
        body(name, secret, {"a": 1, name: secret})
    secret = made.text()
    body("nested", secret, {"a": [{"b": {"login": {"password": secret}}}]})
    secret = made.text()
    body("below a secret name", secret, {"secrets": {"one": {"two": [1, secret]}}})
    secret = made.text()
    body("array", secret, {"tokens": ["abc", secret]})
    secret = 'q"\\/\n%sü' % made.text(16)
    body("escaped", secret, {"password": secret})
    secret = "ünï%s" % made.text(16)
    body("as it is, beyond ascii", secret, json.dumps({"password": secret}, ensure_ascii=False).encode())
    secret = made.text()
    body("name escaped", secret, '{"pass\\u0077ord": "%s"}' % secret)
    secret = made.text()
    body("escaped letter by letter", secret, '{"token": "%s"}' % "".join("\\u%04x" % ord(one) for one in secret))
    secret = made.text()
    body("broken", secret, '{"a": 1, "password": "%s' % secret)
    secret = made.text()
    body("broken before", secret, '{"a": ,,, "password" "%s", "token": "%s"}' % (made.text(5), secret))
    secret = made.text()
    body("with single quotes", secret, "{'a': 1, 'password': '%s'}" % secret)
    secret = made.text()
    body("without a content type", secret, {"password": secret}, None)
    secret = made.text()
    body("in lines", secret, '{"a": 1}\n{"token": "%s"}\n' % secret, "application/x-ndjson")
    secret = made.text()
    body("name and value", secret, {"fields": [{"name": "password", "value": secret}]})
    secret = made.text()
    body("value and name", secret, [{"value": secret, "name": "DB_PASSWORD"}])
    secret = made.text()
    body("pair", secret, {"headers": [["Accept", "*/*"], ["X-Api-Key", secret]]})
    secret = made.text()
    body("in json in a string", secret, {"payload": json.dumps({"token": secret, "a": 1})})
    secret = made.text()
    body("address with a password", secret, {"webhook": "https://ada:%s@example.org/hook" % secret})
    secret = str(made.random.randrange(10**17, 10**18))
    body("number", secret, {"secret_code": int(secret)})
    secret = made.text()
    body("graphql variables", secret, {"query": "mutation L($i: In!) { login(in: $i) { id } }", "variables": {"i": {"user": "ada", "password": secret}}})
    secret = made.text()
    body("graphql literal", secret, {"query": 'mutation { login(user: "ada", password: "%s") { id } }' % secret})
    secret = made.text()
    made.request(
        "json in utf-16", secret, body=json.dumps({"password": secret}).encode("utf-16"), content_type="application/json; charset=utf-16"
    )
    secret = made.text()
    made.request(
        "json compressed", secret, [("Content-Encoding", "gzip")], body=gzip.compress(json.dumps({"a": "b" * 100, "password": secret}).encode()),
        content_type="application/json",
    )


def _other_bodies(made):
    form = "application/x-www-form-urlencoded"
    for name in ("password", "user[password]", "csrfmiddlewaretoken", "card_number", "cvv2"):
        secret = made.text()
        made.request("form " + name, secret, body="a=1&%s=%s&b=2" % (quote(name, ""), secret), content_type=form)
    secret = "ä ö&=%s" % made.text()
    made.request("form escaped", secret, body="password=" + quote_plus(secret), content_type=form)

    def multipart(name, secret, field, content, head=""):
        body = (
            '--XyZ\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--XyZ\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n'
            % (field, head)
        ).encode() + content + b"\r\n--XyZ--\r\n"
        made.request("multipart " + name, secret, body=body, content_type="multipart/form-data; boundary=XyZ")

    secret = made.text()
    multipart("field", secret, "password", secret.encode())
    secret = made.text()
    multipart("json part", secret, "data", json.dumps({"api_key": secret}).encode(), "\r\nContent-Type: application/json")
    secret = made.text()
    multipart("file of settings", secret, "file", ("DEBUG=1\nDB_PASSWORD=%s\n" % secret).encode(), '; filename=".env"\r\nContent-Type: text/plain')
    secret = made.text()
    multipart("binary file", secret, "file", b"\xff\xfe\x01 token=" + secret.encode() + b" \x80\x81", '; filename="a.bin"')

    def xml(name, secret, text, also=()):
        made.request("xml " + name, secret, body=text, content_type="text/xml", also=also)

    secret = made.text()
    xml("element", secret, "<login><user>ada</user><password>%s</password></login>" % secret)
    secret = made.text()
    xml(
        "soap header", secret,
        '<s:Envelope xmlns:s="x"><s:Header><wsse:Security><wsse:UsernameToken><wsse:Username>ada</wsse:Username>'
        '<wsse:Password Type="x#PasswordText">%s</wsse:Password></wsse:UsernameToken></wsse:Security></s:Header></s:Envelope>' % secret,
    )
    secret = made.text()
    xml("attribute", secret, '<login user="ada" password="%s"/>' % secret)
    secret = made.text()
    xml("character data", secret, "<login><ApiKey><![CDATA[%s]]></ApiKey></login>" % secret)
    secret = made.text()
    xml("entities", "a&b<%s" % secret, "<login><secret>a&amp;b&lt;%s</secret></login>" % secret, also=(secret,))
    secret = made.text()
    xml("name and value", secret, "<member><name>password</name><value><string>%s</string></value></member>" % secret)
    secret = made.text()
    xml("key and value", secret, '<configuration><add key="ApiToken" value="%s"/></configuration>' % secret)
    secret = made.text()
    made.request("plain text", secret, body="host=db user=ada password=%s port=5432" % secret, content_type="text/plain")
    secret = made.text()
    made.request("yaml", secret, body="database:\n  user: ada\n  password: %s\n" % secret, content_type="application/yaml")


def _locals(made):
    for name in ("password", "api_key", "client_secret", "access_token", "passphrase", "db_pass", "jwt", "cookie", "signing_key", "credentials"):
        made.code("local " + name, made.text(), "%s = vault()" % name, "raise LookupError('no such order')")
    made.code("local bytes", made.text(), "secret_key = vault().encode()", "raise LookupError")
    made.code("local dictionary", made.text(), "settings = {'database': {'password': vault()}}", "raise LookupError")
    made.code("local list of pairs", made.text(), "headers = [('Accept', '*/*'), ('Authorization', vault())]", "raise LookupError")
    made.code("local tuple for a client", made.text(), "auth = ('ada', vault())", "raise LookupError")
    made.code(
        "field of an object", made.text(), "class Customer:", "    pass", "customer = Customer()", "customer.password = vault()", "raise LookupError"
    )
    made.code(
        "field of a slotted object", made.text(), "class Customer:", "    __slots__ = ('api_token',)", "customer = Customer()",
        "customer.api_token = vault()", "raise LookupError",
    )
    made.code(
        "field of a dataclass", made.text(), "from dataclasses import dataclass", "@dataclass", "class Login:", "    user: str", "    password: str",
        "login = Login('ada', vault())", "raise LookupError",
    )
    made.code(
        "field of a named tuple", made.text(), "from collections import namedtuple", "login = namedtuple('Login', 'user password')('ada', vault())",
        "raise LookupError",
    )
    made.code(
        "repr of a dataclass", made.text(), "from dataclasses import dataclass", "@dataclass", "class Login:", "    user: str", "    password: str",
        "shown = repr(Login('ada', vault()))", "raise LookupError",
    )
    made.code("repr of a dictionary", made.text(), "shown = repr({'user': 'ada', 'password': vault()})", "raise LookupError")
    made.code("repr of bytes", made.text(), "shown = repr({'password': vault().encode()})", "raise LookupError")
    made.code("repr of a list", made.text(), "shown = 'tokens=' + repr(['a', vault()])", "raise LookupError")
    made.code("json in a string", made.text(), "import json", "text = json.dumps({'user': 'ada', 'password': vault()})", "raise LookupError")
    made.code("json in bytes", made.text(), "import json", "raw = json.dumps({'user': 'ada', 'token': vault()}).encode()", "raise LookupError")
    made.code("text in utf-16", made.text(), "password = vault()", "raw = ('say ' + password).encode('utf-16-le')", "raise LookupError")
    made.code("key of a dictionary", made.text(), "token = vault()", "seen = {token: 1, 'by': {token + '!': 2}}", "raise LookupError")
    made.code("name of a field", made.text(), "token = vault()", "class Thing:", "    pass", "thing = Thing()", "thing.__dict__[token] = 1", "raise LookupError")
    made.code("uuid", str(UUID(hex=made.hexadecimal(32))), "from uuid import UUID", "reset_token = UUID(vault())", "hexed = reset_token.hex", "raise LookupError")
    made.code("base64 of credentials", made.text(), "from base64 import b64encode", "header = 'Basic ' + b64encode(b'ada:' + vault().encode()).decode()", "raise LookupError")
    made.code(
        "pydantic model", made.text(), "from pydantic import BaseModel, SecretStr", "class Login(BaseModel):", "    user: str", "    password: SecretStr",
        "    api_key: str", "login = Login(user='ada', password=vault(), api_key=vault())", "shown = repr(login)", "raise LookupError",
    )
    for kind, address in (
        ("postgres", "postgresql://app:%s@db.example.org:5432/shop"), ("mysql", "mysql+pymysql://app:%s@db/shop"), ("redis", "redis://:%s@cache:6379/0"),
        ("amqp", "amqp://guest:%s@queue/"), ("mongo", "mongodb+srv://app:%s@cluster.example.org/?w=1"), ("https", "https://ada:%s@example.org/x"),
    ):
        made.code("address of " + kind, made.text(), "address = %r %% vault()" % address, "raise LookupError")
    made.code("address of postgres in a message", made.text(), "raise ConnectionError('cannot reach postgres://app:%s@db/shop' % vault())")
    made.code("address with slashes in the password", "pa/ss@%s" % made.text(12), "address = 'postgres://app:%s@db/shop' % vault()", "raise LookupError")
    made.code("words of a connection", made.text(), "dsn = 'host=db user=app password=%s dbname=shop' % vault()", "raise LookupError")
    made.code("connection string", made.text(), "text = 'Server=db;User Id=app;Pwd=%s;' % vault()", "raise LookupError")
    made.code("account key", made.base64(40), "text = 'DefaultEndpointsProtocol=https;AccountName=a;AccountKey=%s;EndpointSuffix=core' % vault()", "raise LookupError")
    made.code("sql literal in a local", made.text(), "line = \"INSERT INTO users (name, password) VALUES ('ada', '%s')\" % vault()", "raise LookupError")
    made.code("sql comparison in a local", made.text(), "line = \"SELECT id FROM users WHERE api_token = '%s'\" % vault()", "raise LookupError")
    made.code(
        "parameters beside their statement", made.text(), "sql = 'INSERT INTO users (name, password_hash) VALUES (%s, %s)'", "arguments = ('ada', vault())",
        "raise LookupError",
    )
    made.code("password of a database user", made.text(), "line = \"ALTER USER app WITH PASSWORD '%s'\" % vault()", "raise LookupError")


def _texts(made):
    made.code("message", made.text(), "raise ValueError('password=%s is refused' % vault())")
    made.code("message with a repr", made.text(), "raise ValueError('bad login: %r' % {'user': 'ada', 'password': vault()})")
    made.code("message with a header", made.text(), "raise ValueError('got Authorization: Token %s' % vault())")
    made.code("message with a cookie", made.text(), "raise ValueError('Cookie: a=b; sid=%s' % vault())")
    made.code("message with a bearer", made.text(40), "raise ValueError('refused Bearer %s from 10.0.0.1' % vault())")
    made.code("message with an address", made.text(), "raise ValueError('GET https://api.example.org/v1?api_key=%s failed' % vault())")
    made.code("message with escaped json", made.text(), "import json", "raise ValueError(json.dumps({'body': json.dumps({'password': vault()})}))")
    made.code("message of a key", made.text(), "token = vault()", "{}[token]")
    made.code("message in the middle of a word", made.text(), "api_key = vault()", "raise ValueError('key' + api_key + 'is bad')")
    made.code("message of a cause", made.text(), "try:", "    raise ValueError('secret: ' + vault())", "except ValueError as error:", "    raise LookupError from error")
    made.code("note", made.text(), "error = ValueError('x')", "error.__notes__ = ['token: ' + vault()]", "raise error")
    made.code("attribute", made.text(), "error = ValueError('x')", "error.api_key = vault()", "raise error")
    made.code("argument", made.text(), "raise ValueError({'password': vault()})")
    made.code("attribute of a request", made.text(), "error = ValueError('x')", "error.request = {'headers': {'Authorization': 'Bearer ' + vault()}}", "raise error")
    made.code(
        "parameters in the words of sqlalchemy", made.text(),
        "raise ValueError(\"[SQL: INSERT INTO users (email, password_hash) VALUES (?, ?)]\\n[parameters: ('a@b.org', '%s')]\" % vault())",
    )
    made.code(
        "many parameters in the words of sqlalchemy", made.text(),
        "raise ValueError(\"[SQL: INSERT INTO users (email, api_token) VALUES (?, ?)]\\n[parameters: [('a@b.org', 'abc'), ('c@d.org', '%s')]]\" % vault())",
    )
    made.code("key in the words of postgres", made.text(), "raise ValueError('DETAIL:  Key (api_token)=(%s) already exists.' % vault())")
    made.code("row in the words of postgres", made.text(), "raise ValueError('DETAIL:  Failing row contains (7, ada, %s, null).' % vault())")
    made.code("entry in the words of mysql", made.text(), "raise ValueError(1062, \"Duplicate entry '%s' for key 'users.api_token'\" % vault())")


def _web_token(made):
    def part(thing):
        return base64.urlsafe_b64encode(json.dumps(thing).encode()).decode().rstrip("=")

    return "%s.%s.%s" % (part({"alg": "HS256", "typ": "JWT"}), part({"sub": made.text(12), "exp": 4102444800}), made.text(43))


def card(random, prefix="4", length=16):
    digits = prefix + "".join(random.choice("0123456789") for _ in range(length - len(prefix) - 1))
    total = sum(int(one) if place % 2 else int(one) * 2 - 9 * (int(one) > 4) for place, one in enumerate(reversed(digits)))
    return digits + str(-total % 10)


def account(random, country="DE", length=22):
    rest = "".join(random.choice("0123456789") for _ in range(length - 4))
    check = 98 - int("".join(str(int(one, 36)) for one in rest + country + "00")) % 97
    return "%s%02d%s" % (country, check, rest)


def shapes(made):
    """Pairs of a name and a secret that is known by its shape."""
    upper = string.ascii_uppercase + "234567"
    number, dashed, spaced = card(made.random, "4"), card(made.random, "4"), card(made.random, "5555")
    british = account(made.random, "GB", 22)
    return [
        ("aws key", "AKIA" + made.text(16, upper)),
        ("aws temporary key", "ASIA" + made.text(16, upper)),
        ("github personal token", "ghp_" + made.text(36)),
        ("github server token", "ghs_" + made.text(36)),
        ("github fine-grained token", "github_pat_" + made.text(22) + "_" + made.text(59)),
        ("gitlab token", "glpat-" + made.text(20)),
        ("slack bot token", "xoxb-%s-%s-%s" % (made.random.randrange(10**11, 10**12), made.random.randrange(10**12, 10**13), made.text(24))),
        ("slack hook", "T0%s/B0%s/%s" % (made.text(8).upper(), made.text(8).upper(), made.text(24))),
        ("stripe key", "sk_live_" + made.text(24)),
        ("stripe restricted key", "rk_test_" + made.text(24)),
        ("google api key", "AIza" + made.text(35)),
        ("google access token", "ya29." + made.text(60)),
        ("openai key", "sk-" + made.text(48)),
        ("openai project key", "sk-proj-" + made.text(80)),
        ("npm token", "npm_" + made.text(36)),
        ("pypi token", "pypi-AgEIcHlwaS5vcmc" + made.text(80)),
        ("sendgrid key", "SG.%s.%s" % (made.text(22), made.text(43))),
        ("web token", _web_token(made)),
        ("card number", number),
        ("card number with spaces", " ".join(spaced[start : start + 4] for start in (0, 4, 8, 12))),
        ("card number with dashes", "-".join(dashed[start : start + 4] for start in (0, 4, 8, 12))),
        ("card of fifteen digits", card(made.random, "37", 15)),
        ("bank account", account(made.random)),
        ("bank account with spaces", " ".join(british[start : start + 4] for start in range(0, 22, 4))),
    ]


def _shapes(made):
    for name, secret in shapes(made):
        before = "https://hooks.slack.com/services/" if name == "slack hook" else "please look at "
        made.code("shape: %s in text" % name, secret, "text = '%s%%s, thank you' %% vault()" % before, "raise LookupError")
    for name, secret in shapes(made):
        before = "https://hooks.slack.com/services/" if name == "slack hook" else "see "
        made.request("shape: %s in json" % name, secret, body=json.dumps({"note": before + secret, "a": 1}), content_type="application/json")
    key = "\n".join(made.base64(48) for _ in range(6))
    shown = "-----BEGIN RSA PRIVATE KEY-----\n%s\n-----END RSA PRIVATE KEY-----" % key
    also = tuple(key.split("\n"))
    made.code("shape: private key in text", also[0], "text = '-----BEGIN PRIVATE KEY-----\\n%s\\n-----END PRIVATE KEY-----\\n' % vault()", "raise LookupError")
    made.request("shape: private key in json", also[1], body=json.dumps({"pem": shown}), content_type="application/json", also=also)
    made.request("shape: private key as a body", also[2], body=shown, content_type="text/plain", also=also)
    secret = card(made.random, "4")
    made.code("shape: card as a number", secret, "number = int(vault())", "raise LookupError")
    secret = "ghp_" + made.text(36)
    made.code("shape: token in bytes", secret, "raw = b'\\xff\\x00' + vault().encode()", "raise LookupError")
    secret = "ghp_" + made.text(36)
    made.request("shape: token in a binary body", secret, body=b"\x00\xff\x80 " + secret.encode() + b" \x90", content_type="application/octet-stream")
    secret = "glpat-" + made.text(20)
    made.request("shape: token in a header of another name", secret, [("X-Note", "use " + secret)])
    secret = "AKIA" + made.text(16, string.ascii_uppercase + "234567")
    made.request("shape: key in a query", secret, query="note=" + secret)





def _environment(made):
    secret = made.text()
    made.add("variable in a local", secret, environment={"SHOP_API_KEY": secret}, code="import os\nchosen = os.environ['SHOP_API_KEY']\nraise LookupError")
    secret = made.text()
    made.add("variable in a message", secret, environment={"MAIL_PASSWORD": secret}, code="import os\nraise LookupError('x' + os.environ['MAIL_PASSWORD'] + 'y')")
    secret = made.text() + "/+=&\"'ü"
    made.add(
        "variable in escapes", secret, environment={"QUEUE_SECRET": secret},
        code="import os, json\nfrom urllib.parse import quote\nchosen = os.environ['QUEUE_SECRET']\ntexts = [json.dumps([chosen]), quote(chosen), repr(chosen)]\nraise LookupError",
    )
    secret = made.text()
    made.add("variable in bytes", secret, environment={"CACHE_TOKEN": secret}, code="import os\nraw = b'\\xff' + os.environ['CACHE_TOKEN'].encode()\nraise LookupError")
    secret = made.text()
    made.add(
        "password in the address of a variable", secret, environment={"DATABASE_URL": "postgres://app:%s@db/shop" % secret},
        code="import os\nfrom urllib.parse import urlsplit\nparts = list(urlsplit(os.environ['DATABASE_URL'])) + [urlsplit(os.environ['DATABASE_URL']).netloc[4:-3]]\nraise LookupError",
    )
    secret = made.text()
    made.add("variable that is not set in time", secret, environment={}, code="import os\nos.environ['LATE_SECRET'] = vault()\nchosen = [os.environ['LATE_SECRET']]\nraise LookupError")
    for name, code in (
        ("base64", "from base64 import b64encode\nshown = b64encode(b'a:' + chosen + b':b').decode()"),
        ("safe base64 in bytes", "from base64 import urlsafe_b64encode\nshown = urlsafe_b64encode(b'a' + chosen)"),
        ("hex", "shown = chosen.hex()"),
    ):
        secret = "~~~???" + made.text()
        made.add(
            "variable in " + name, secret, environment={"%s_SECRET" % name.upper().replace(" ", "_"): secret},
            code="import os\nchosen = os.environ['%s_SECRET'].encode()\n%s\nraise LookupError" % (name.upper().replace(" ", "_"), code),
        )
    secret = "-".join("".join(made.random.choice(string.ascii_lowercase) for _ in range(7)) for _ in range(3))
    made.add("variable of words", secret, environment={"ADMIN_PASSPHRASE": secret}, code="import os\nseen = {os.environ['ADMIN_PASSPHRASE']: 1}\nraise LookupError")


def _arguments(made):
    for form in ("--password=%s", "--api-key %s", "--db-url postgres://app:%s@db/shop", "--header Authorization:%s", "-token %s", "SECRET_KEY=%s"):
        secret = made.text()
        made.add("argument " + form, secret, arguments=(form % secret).split(" "))


def text_value(text):
    return {"t": "str", "v": text, "len": len(text)}


def value(thing):
    if thing is None:
        return {"t": "none"}
    if isinstance(thing, str):
        return text_value(thing)
    if isinstance(thing, bytes):
        return {"t": "bytes", "v": base64.b64encode(thing).decode(), "len": len(thing)}
    if isinstance(thing, int):
        return {"t": "int", "v": str(thing)}
    if isinstance(thing, dict):
        return {"t": "dict", "items": [[value(name), value(one)] for name, one in thing.items()], "len": len(thing)}
    return {"t": type(thing).__name__, "items": [value(one) for one in thing], "len": len(thing)}


def _sql(made):
    def sql(name, secret, statement, parameters=None, columns=None, rows=(), error=None, also=()):
        answer = {"columns": columns and [[column, None] for column in columns], "rows": [value(row) for row in rows], "complete": True, "count": 1, "id": None, "status": None}
        if error is not None:
            answer = {"error": {"class": "sqlite3.IntegrityError", "arguments": [value(error)]}}
        question = {"kind": "sql", "driver": "sqlite3", "server": "file.db", "statement": statement, "parameters": value(parameters), "answer": answer}
        made.add("sql " + name, secret, answer=question, also=also)

    for mark in ("?", "%s", "$1"):
        secret = made.text()
        sql("parameter " + mark, secret, "SELECT id FROM users WHERE api_token = " + mark, (secret,))
    secret = made.text()
    sql("numbered parameters out of order", secret, "UPDATE users SET name = $2 WHERE token = $1", (secret, "ada"))
    secret = made.text()
    sql("named parameter", secret, "SELECT id FROM users WHERE password_hash = :hash", {"hash": secret})
    secret = made.text()
    sql("named parameter of another library", secret, "SELECT id FROM users WHERE password_hash = %(value)s", {"value": secret})
    secret = made.text()
    sql("inserted column", secret, "INSERT INTO users (name, password_hash) VALUES (?, ?)", ("ada", secret))
    secret = made.text()
    sql("inserted column after functions and literals", secret, "INSERT INTO users (id, made, kind, password) VALUES (DEFAULT, now(), 'a, b', lower(?))", (secret,))
    secret = made.text()
    sql("inserted rows", secret, 'INSERT INTO "users" ("name", "api_token") VALUES (?, ?), (?, ?)', ("ada", "a", "bob", secret))
    secret = made.text()
    sql("inserted many", secret, "INSERT INTO users (name, api_token) VALUES (?, ?)", [("ada", "a"), ("bob", secret)])
    secret = made.text()
    sql("inserted or updated", secret, "INSERT INTO users (name, age) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET password = ?", ("ada", 7, secret))
    secret = made.text()
    sql("literal", secret, "SELECT id FROM users WHERE token = '%s' AND name = 'ada'" % secret)
    secret = made.text()
    sql("inserted literal", secret, "INSERT INTO users (name, password) VALUES ('ada', '%s')" % secret)
    secret = made.text()
    sql("list", secret, "SELECT id FROM users WHERE api_key IN (?, ?, ?)", ("a", "b", secret))
    secret = made.text()
    sql("function around a parameter", secret, "SELECT id FROM users WHERE password = crypt(?, salt)", (secret,))
    secret = made.text()
    sql("function around a column", secret, "SELECT id FROM users WHERE lower(api_token) = ?", (secret,))
    secret = made.text()
    sql("update", secret, "UPDATE users SET name = ?, reset_token = ? WHERE id = ?", ("ada", secret, 7))
    secret = made.text()
    sql("password of a user", secret, "CREATE USER app IDENTIFIED BY '%s'" % secret)
    for column in ("password_hash", "api_token", "session_key", "totp_secret", "refresh_token"):
        secret = made.text()
        sql("row with " + column, secret, "SELECT * FROM users", None, ["id", "name", column], [(1, "ada", "x"), (2, "bob", secret)])
    secret = made.text()
    sql("row under another name", secret, "SELECT id, u.password_hash AS ph FROM users u", None, ["id", "ph"], [(1, secret)])
    secret = made.text()
    sql("row of bytes", secret, "SELECT secret FROM vault", None, ["secret"], [(secret.encode(),)])
    secret = made.text()
    sql("row with json", secret, "SELECT settings FROM shops", None, ["settings"], [(json.dumps({"smtp": {"password": secret}}),)])
    secret = made.text()
    sql("row with a dictionary", secret, "SELECT settings FROM shops", None, ["settings"], [({"smtp": {"password": secret}},)])
    secret = card(made.random)
    sql("row with a card number", secret, "SELECT note FROM orders", None, ["note"], [("paid with %s" % secret,)])
    secret = made.text()
    sql("error", secret, "INSERT INTO users (api_token) VALUES (?)", (secret,), error="Key (api_token)=(%s) already exists." % secret)


def _http(made):
    def body(data, content_type="application/json"):
        raw = data if isinstance(data, bytes) else json.dumps(data).encode() if not isinstance(data, str) else data.encode()
        return {"data": base64.b64encode(raw).decode(), "len": len(raw), "truncated": False}

    def http(name, secret, url="https://api.example.org/v1/orders", sent=b"", sent_type="application/json", headers=(), got=b"", got_type="application/json", error=None):
        answer = {"status": 200, "reason": "OK", "headers": [["content-type", got_type], *map(list, headers)], "body": body(got)}
        if error is not None:
            answer = {"error": {"class": "builtins.OSError", "arguments": [value(error)]}}
        made.add("http " + name, secret, answer={
            "kind": "http", "method": "POST", "url": url, "content_type": sent_type, "body": body(sent), "answer": answer,
        })

    secret = made.text()
    http("query", secret, url="https://api.example.org/v1/orders?api_key=%s&page=1" % secret)
    secret = made.text()
    http("password in the address", secret, url="https://ada:%s@api.example.org/" % secret)
    secret = made.text()
    http("token in the path", secret, url="https://api.example.org/reset/" + secret)
    secret = made.text()
    http("client secret", secret, sent="grant_type=client_credentials&client_id=shop&client_secret=" + secret, sent_type="application/x-www-form-urlencoded")
    secret = made.text()
    http("client secret in json", secret, sent={"client_id": "shop", "client_secret": secret})
    secret = made.text()
    http("access token", secret, got={"access_token": secret, "token_type": "bearer", "expires_in": 3600})
    secret = made.text()
    http("access token in a form", secret, got="access_token=%s&token_type=bearer" % secret, got_type="application/x-www-form-urlencoded")
    secret = made.text()
    http("set-cookie", secret, headers=[("set-cookie", "sid=%s; Path=/; HttpOnly" % secret)])
    secret = made.text()
    http("redirect", secret, headers=[("location", "https://shop.example.org/cb?code=1&access_token=%s" % secret)])
    secret = made.text()
    http("redirect with a fragment", secret, headers=[("location", "https://shop.example.org/cb?a=1#access_token=%s&state=2" % secret)])
    secret = made.text()
    http("compressed answer", secret, headers=[("content-encoding", "gzip")], got=gzip.compress(json.dumps({"refresh_token": secret}).encode()))
    secret = "sk_live_" + made.text()
    http("key in html", secret, got="<p>your key is %s</p>" % secret, got_type="text/html")
    secret = made.text()
    http("error", secret, error="cannot reach https://ada:%s@api.example.org/" % secret)


def _redis(made):
    def redis(name, secret, command, answer=None):
        made.add("redis " + name, secret, answer={
            "kind": "redis", "server": "localhost:6379", "command": [value(one) for one in command], "answer": {"value": value(answer)},
        })

    secret = made.text()
    redis("key", secret, ("GET", "session:" + secret), '{"user_id": 42}')
    secret = made.text()
    redis("value", secret, ("GET", "token:42"), secret)
    secret = made.text()
    redis("value of bytes", secret, (b"GET", b"api_token"), secret.encode())
    secret = made.text()
    redis("set", secret, ("SET", "token:42", secret, "EX", 3600), "OK")
    secret = made.text()
    redis("set for some time", secret, ("SETEX", "password_reset:ada", 3600, secret), "OK")
    secret = made.text()
    redis("field", secret, ("HSET", "user:42", "name", "ada", "password", secret), 2)
    secret = made.text()
    redis("field read", secret, ("HGET", "user:42", "api_key"), secret)
    secret = made.text()
    redis("fields read", secret, ("HGETALL", "user:42"), ["name", "ada", "password", secret])
    secret = made.text()
    redis("fields read as a dictionary", secret, ("HGETALL", "user:42"), {"name": "ada", "password": secret})
    secret = made.text()
    redis("several fields", secret, ("HMGET", "user:42", "name", "token"), ["ada", secret])
    secret = made.text()
    redis("several keys", secret, ("MGET", "name:42", "token:42"), ["ada", secret])
    secret = made.text()
    redis("several set", secret, ("MSET", "name:42", "ada", "token:42", secret), "OK")
    secret = made.text()
    redis("password of the server", secret, ("AUTH", "default", secret), "OK")
    secret = made.text()
    redis("json value", secret, ("GET", "user:42"), json.dumps({"name": "ada", "api_token": secret}))
    secret = made.text()
    redis("session in json", secret, ("GET", "session:1"), json.dumps({"user_id": 42, "access_token": secret}))


def _responses(made):
    def response(name, secret, headers=(), body=b"", content_type="application/json"):
        raw = body if isinstance(body, bytes) else body.encode()
        made.add("response " + name, secret, response={"status": 200, "headers": [["content-type", content_type], *map(list, headers)], "body": raw})

    secret = made.text()
    response("set-cookie", secret, [("set-cookie", "session=%s; HttpOnly; Path=/" % secret)])
    secret = made.text()
    response("token", secret, body=json.dumps({"token": secret}))
    secret = made.text()
    response("hidden field", secret, body='<form><input type="hidden" name="csrf_token" value="%s"></form>' % secret, content_type="text/html")
    secret = made.text()
    response("hidden field, value first", secret, body='<form><input value="%s" name="csrfmiddlewaretoken"/></form>' % secret, content_type="text/html")
    secret = made.text()
    response("meta", secret, body='<head><meta name="csrf-token" content="%s"></head>' % secret, content_type="text/html")
    secret = made.text()
    response("script", secret, body='<script>window.config = {apiKey: "%s"};</script>' % secret, content_type="text/html")
    secret = made.text()
    response("redirect", secret, [("location", "/welcome?reset_token=" + secret)])
