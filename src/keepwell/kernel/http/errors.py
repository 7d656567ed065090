"""Problems only the HTTP door itself can have."""

from keepwell.kernel.problems import ProblemType

REQUEST_TIMEOUT = ProblemType(
    "request-timeout", 408, "The body took too long to arrive", "Send the request again; check the connection if it stays slow."
)
HEADERS_TOO_LARGE = ProblemType(
    "headers-too-large", 431, "The request line and headers are too large", "Send fewer or shorter headers, or a shorter address."
)
BAD_REQUEST = ProblemType(
    "bad-request", 400, "Not a valid HTTP request", "Check the client or the proxy in between: the bytes sent are not HTTP/1.1."
)
HTTPS_REQUIRED = ProblemType(
    "https-required", 403, "Session cookies are given over https only", "Use https, or http at localhost; or log in for tokens."
)

PROBLEMS: tuple[ProblemType, ...] = (REQUEST_TIMEOUT, HEADERS_TOO_LARGE, BAD_REQUEST, HTTPS_REQUIRED)
