"""A browser without a network: it calls an application in this process, and keeps its cookies."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
from fastapi import FastAPI


class AsgiClient:
    """Calls one application as one visitor from ``address``. Redirects are returned, not followed."""

    def __init__(
        self, app: FastAPI, *, address: str = "127.0.0.1", base: str = "http://console", headers: Any = None
    ) -> None:
        self._app = app
        self._address = address
        self._base = base
        self._headers = headers
        self.cookies = httpx.Cookies()

    def get(self, path: str, **more: Any) -> httpx.Response:
        """Ask for a page."""
        return self.request("GET", path, **more)

    def post(self, path: str, **more: Any) -> httpx.Response:
        """Send a form, or JSON."""
        return self.request("POST", path, **more)

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Send any request."""
        return asyncio.run(self._request(method, path, **more))

    async def _request(self, method: str, path: str, **more: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self._app, client=(self._address, 1))
        async with httpx.AsyncClient(
            transport=transport, base_url=self._base, cookies=self.cookies, headers=self._headers
        ) as client:
            answer = await client.request(method, path, **more)
            self.cookies = client.cookies
            return answer
