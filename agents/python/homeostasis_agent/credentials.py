"""What the signed cookies and tokens of a request say, and in a replay others that say the same.

A redacted credential opens no door, in the sandbox neither; so what it says is captured as values, and the program's
own key signs it again there. No key leaves the program, and nothing is decoded on the way of a request.
"""

import json
import os
import sys
import weakref
from base64 import b64decode, b64encode, urlsafe_b64decode

from . import calls, guard, values

MAX_VALUES = 500

# What signs cookies in this program, in the order of appearance: Flask applications and session middlewares of Starlette.
_signers = []
# In a replay: the tokens of the request being played, with what they say.
_claims = {}


def watch_flask(module):
    _watch(module.Flask, _FlaskSigner)


def watch_quart(module):
    _watch(module.Quart, _QuartSigner)


def watch_starlette(module):
    _watch(module.SessionMiddleware, _StarletteSigner)


def _watch(class_, signer):
    original = class_.__init__

    def __init__(self, *arguments, **named):
        original(self, *arguments, **named)
        try:
            _signers.append(signer(self))
        except Exception:
            guard.failed("session keys")

    __init__.__wrapped__ = original
    class_.__init__ = __init__


class _FlaskSigner:
    kind = "flask_session"
    module = "flask.sessions"

    def __init__(self, application):
        self._application = weakref.ref(application)

    def name(self):
        application = self._application()
        return application.config.get("SESSION_COOKIE_NAME") if application is not None else None

    def _serializer(self):
        """Only of Flask's own cookies: another interface is the program's code, or asks a server."""
        own = sys.modules[self.module].SecureCookieSessionInterface
        application = self._application()
        interface = application.session_interface
        if type(interface).get_signing_serializer is not own.get_signing_serializer:
            return None
        return interface.get_signing_serializer(application)

    def read(self, text):
        serializer = self._serializer()
        return serializer.loads(text) if serializer is not None else None

    def write(self, said):
        return self._serializer().dumps(said)


class _QuartSigner(_FlaskSigner):
    """Quart signs as Flask does."""

    module = "quart.sessions"


class _StarletteSigner:
    kind = "starlette_session"

    def __init__(self, middleware):
        self._middleware = weakref.ref(middleware)

    def name(self):
        middleware = self._middleware()
        return middleware.session_cookie if middleware is not None else None

    def read(self, text):
        return json.loads(b64decode(self._middleware().signer.unsign(text.encode("utf-8"))))

    def write(self, said):
        return self._middleware().signer.sign(b64encode(json.dumps(said).encode("utf-8"))).decode("ascii")


def described(request):
    """What the credentials of this request say, as far as this process can read them; before the request is redacted."""
    found = []
    for name, value in request["headers"]:
        try:
            if name == "cookie" and _signers:
                found.extend(_of_cookies(value))
            elif name == "authorization" and _reads_tokens():
                found.extend(_of_token(value))
        except Exception:
            # Whatever a client sends instead of a credential is not worth a word.
            continue
    return found


def _cookies(header):
    for pair in header.split(";"):
        name, equals, value = pair.strip().partition("=")
        if equals:
            yield name, value


def _of_cookies(header):
    for name, value in _cookies(header):
        for signer in list(_signers):
            if signer.name() == name:
                said = _said(signer.read, value)
                if said is not None:
                    yield {"kind": signer.kind, "name": name, "value": said}
                    break


def _of_token(header):
    scheme, _, token = header.partition(" ")
    parts = token.strip().split(".")
    if scheme.lower() != "bearer" or len(parts) != 3:
        return
    said = _said(lambda part: json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4))), parts[1])
    if said is not None:
        yield {"kind": "bearer_claims", "name": "authorization", "value": said}


def _said(read, text):
    try:
        said = read(text)
        return calls.faithful(dict(said), values.Budget(MAX_VALUES)) if said is not None else None
    except Exception:
        return None


def _reads_tokens():
    return "jwt" in sys.modules or "jose" in sys.modules


# In a replay


def remade(request):
    """The headers of a recorded request, its credentials made anew where what they said is known."""
    from .replay_calls import made

    _claims.clear()
    headers = [list(pair) for pair in request["headers"]]
    for credential in request.get("credentials") or ():
        if credential.get("kind") == "environment":
            continue
        try:
            _remake(credential["kind"], credential["name"], made(credential["value"]), headers)
        except Exception as error:
            # The program may no longer have a key. What is played then is the redacted credential, which is refused.
            sys.stderr.write("homeostasis: the credential %s cannot be made anew: %r\n" % (credential.get("name"), error))
    return headers


def with_variables(request):
    """A recorded request with the values of variables put back where they stood: `environment` says the name of one, and how its value was masked."""
    known = []
    for credential in request.get("credentials") or ():
        if credential.get("kind") == "environment":
            value = os.environ.get(credential["name"], "").strip()
            hidden = credential["value"].get("v")
            # Another value than in production may have another length.
            if value and hidden:
                known.append((hidden, value))
    if not known:
        return request
    request = dict(request, headers=[list(pair) for pair in request["headers"]], body=dict(request["body"]))
    for pair in request["headers"]:
        pair[1] = _with_values(pair[1], known)
        if pair[0] in ("authorization", "proxy-authorization") and pair[1][:6].lower() == "basic ":
            pair[1] = pair[1][:6] + _with_basic(pair[1][6:], known)
    for part in ("path", "query"):
        request[part] = _with_values(request[part], known)
    body = b64decode(request["body"]["data"])
    if body:
        body = _with_values(body.decode("utf-8", "surrogateescape"), known).encode("utf-8", "surrogateescape")
        request["body"].update(data=b64encode(body).decode("ascii"), len=len(body))
    return request


def _with_values(text, known):
    from .redact import writings

    for hidden, value in known:
        for form, plain in writings(hidden, value):
            if form in text:
                text = text.replace(form, plain)
    return text


def _with_basic(text, known):
    try:
        plain = b64decode(text).decode("utf-8")
    except ValueError:
        return text
    name, colon, password = plain.partition(":")
    return b64encode((name + colon + _with_values(password, known)).encode("utf-8")).decode("ascii")


def _remake(kind, name, said, headers):
    if kind == "bearer_claims":
        for header, value in headers:
            if header == "authorization":
                _claims[value.partition(" ")[2].strip()] = said
        return
    for signer in list(_signers):
        if signer.kind == kind and signer.name() == name:
            text = signer.write(said)
            for pair in headers:
                if pair[0] == "cookie":
                    pair[1] = _with_cookie(pair[1], name, text)
            return


def _with_cookie(header, name, text):
    return "; ".join("%s=%s" % (one, text if one == name else value) for one, value in _cookies(header))


def _claims_of(token):
    if isinstance(token, bytes):
        token = token.decode("latin-1")
    said = _claims.get(token)
    return json.loads(json.dumps(said)) if said is not None else None


def patch_pyjwt(module):
    """A recorded token was valid or not when it was received; what it says is taken as it was."""
    class_ = module.PyJWT
    original = class_.decode_complete

    def decode_complete(self, jwt, *arguments, **named):
        said = _claims_of(jwt)
        if said is None:
            return original(self, jwt, *arguments, **named)
        return {"header": {"typ": "JWT"}, "payload": said, "signature": b""}

    class_.decode_complete = decode_complete


def patch_jose(module):
    original = module.decode

    def decode(token, *arguments, **named):
        said = _claims_of(token)
        return said if said is not None else original(token, *arguments, **named)

    module.decode = decode


def patch_flask_wtf(module):
    """Tokens against forged requests are secrets, too, and nobody forges requests in a replay."""
    module.validate_csrf = lambda *arguments, **named: None
    module.CSRFProtect.protect = lambda self: None


def patch_django_csrf(module):
    module.CsrfViewMiddleware._check_token = lambda self, request: None
