"""HTTP Basic with names and passwords in UTF-8 (RFC 7617, section 2.1)."""

from __future__ import annotations

from base64 import b64decode

from fastapi import HTTPException
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from starlette.requests import HTTPConnection


class Utf8HTTPBasic(HTTPBasic):
    """FastAPI's HTTP Basic, which reads ASCII only, for passwords with any characters.

    Without credentials the result is None. Raises 401 when there are some that cannot be read.
    """

    def __init__(self) -> None:
        super().__init__(realm="writegate", auto_error=False)

    async def __call__(self, request: HTTPConnection) -> HTTPBasicCredentials | None:  # type: ignore[override]  # FastAPI's own is as well
        """Return the name and password of a request."""
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            name, colon, password = b64decode(value.strip(), validate=True).decode().partition(":")
        except ValueError as error:
            raise self.make_not_authenticated_error() from error
        if not colon:
            raise self.make_not_authenticated_error()
        return HTTPBasicCredentials(username=name, password=password)

    def make_authenticate_headers(self) -> dict[str, str]:
        """Return the challenge, which tells clients to send UTF-8."""
        return {"WWW-Authenticate": f'Basic realm="{self.realm}", charset="UTF-8"'}

    def unauthorized(self, detail: str) -> HTTPException:
        """Return a 401 with the challenge and a reason."""
        error = self.make_not_authenticated_error()
        return HTTPException(error.status_code, detail, error.headers)


basic = Utf8HTTPBasic()
