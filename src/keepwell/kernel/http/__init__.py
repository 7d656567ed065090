"""The HTTP door: a table of endpoints, from which both the server and its OpenAPI document are made."""

from keepwell.kernel.http.app import Door
from keepwell.kernel.http.body import converted, decode
from keepwell.kernel.http.call import ANONYMOUS, Answer, Call, answer
from keepwell.kernel.http.endpoint import Authenticator, Endpoint
from keepwell.kernel.http.pages import Pages
from keepwell.kernel.http.query import USUAL_PAGE, PageLimit
from keepwell.kernel.http.render import problem

__all__ = [
    "ANONYMOUS",
    "USUAL_PAGE",
    "Answer",
    "Authenticator",
    "Call",
    "Door",
    "Endpoint",
    "PageLimit",
    "Pages",
    "answer",
    "converted",
    "decode",
    "problem",
]
