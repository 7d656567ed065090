"""The HTTP door: a table of endpoints, from which both the server and its OpenAPI document are made."""

from keepwell.kernel.http.app import Door
from keepwell.kernel.http.call import ANONYMOUS, Answer, Call, answer
from keepwell.kernel.http.endpoint import Authenticator, Endpoint
from keepwell.kernel.http.pages import Pages

__all__ = ["ANONYMOUS", "Answer", "Authenticator", "Call", "Door", "Endpoint", "Pages", "answer"]
