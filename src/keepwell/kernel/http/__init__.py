"""The HTTP door: a table of endpoints, from which both the server and its OpenAPI document are made."""

from keepwell.kernel.http.app import Door, Limits
from keepwell.kernel.http.body import converted, decode
from keepwell.kernel.http.call import ANONYMOUS, Answer, Call, Fixed, answer
from keepwell.kernel.http.cookies import Authenticator, CookieSession, Credentials
from keepwell.kernel.http.deprecation import Deprecation
from keepwell.kernel.http.endpoint import FORM, Endpoint, ErrorShape, Example, RefusalForm, RequestHeader
from keepwell.kernel.http.headers import cookie
from keepwell.kernel.http.pages import Pages
from keepwell.kernel.http.parts import HistoryPart, Part, Version, page_of, part_of
from keepwell.kernel.http.query import USUAL_PAGE, PageLimit, parse_pairs
from keepwell.kernel.http.rates import USUAL, Policy, RateLimits
from keepwell.kernel.http.render import document, problem, retry_after
from keepwell.kernel.http.socket import DisconnectedError, Socket, SocketCall

__all__ = [
    "ANONYMOUS",
    "FORM",
    "USUAL",
    "USUAL_PAGE",
    "Answer",
    "Authenticator",
    "Call",
    "CookieSession",
    "Credentials",
    "Deprecation",
    "DisconnectedError",
    "Door",
    "Endpoint",
    "ErrorShape",
    "Example",
    "Fixed",
    "HistoryPart",
    "Limits",
    "PageLimit",
    "Pages",
    "Part",
    "Policy",
    "RateLimits",
    "RefusalForm",
    "RequestHeader",
    "Socket",
    "SocketCall",
    "Version",
    "answer",
    "converted",
    "cookie",
    "decode",
    "document",
    "page_of",
    "parse_pairs",
    "part_of",
    "problem",
    "retry_after",
]
