"""A headless Chromium (Debian's), driven over its own protocol (DevTools): what a person does with a page."""

from __future__ import annotations

import base64
import itertools
import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.deadlines import patient
from writegate_devkit.stack.readiness import wait_until

PROGRAM = "chromium"
ANSWER_SECONDS = patient(60)
PATIENCE_SECONDS = patient(60)
_MOST_BYTES = 64 * 1024 * 1024


class Browser:
    """One tab. ``console``: errors of its scripts, and what the content security policy refused."""

    def __init__(self, socket: ClientConnection, session: str) -> None:
        self._socket = socket
        self._session = session
        self._numbers = itertools.count(1000)
        self.console: list[str] = []
        self.send("Page.enable")
        self.send("Runtime.enable")
        self.send("Log.enable")
        self.send("Network.enable")

    def send(self, method: str, **parameters: Any) -> Mapping[str, Any]:
        """Send a command of the protocol; return its result."""
        number = next(self._numbers)
        text = {"id": number, "method": method, "params": parameters, "sessionId": self._session}
        self._socket.send(json.dumps(text))
        while True:
            answer = json.loads(self._socket.recv(ANSWER_SECONDS))
            self._note(answer)
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                result: Mapping[str, Any] = answer["result"]
                return result

    def _note(self, answer: Mapping[str, Any]) -> None:
        parameters = answer.get("params", {})
        if answer.get("method") == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.console.append(f"{parameters['entry']['text']} {parameters['entry'].get('url', '')}")
        elif answer.get("method") == "Runtime.exceptionThrown":
            self.console.append(str(parameters["exceptionDetails"]))

    def run(self, script: str) -> Any:
        """Return what an expression of JavaScript gives."""
        done = self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in done, f"{script}: {done['exceptionDetails']}"
        return done["result"].get("value")

    def open(self, url: str) -> None:
        """Go somewhere; return when it is loaded."""
        self.run("window.old = true")
        assert not self.send("Page.navigate", url=url).get("errorText"), url
        self._loaded()

    def _loaded(self) -> None:
        self.wait("!window.old && document.readyState === 'complete'")

    def wait(self, script: str, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until an expression is true."""

        def holds() -> bool:
            # While the browser leaves a page it evaluates nothing.
            try:
                return bool(self.run(script))
            except AssertionError:
                return False

        assert wait_until(holds, seconds), f"not within {seconds} s: {script}\n{self.text()}"

    def text(self, selector: str = "body") -> str:
        """Return the text that is shown of something; nothing when it is not there."""
        return str(self.run(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    def wait_text(self, text: str, selector: str = "body", seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until a text is shown."""
        self.wait(
            f"(document.querySelector({json.dumps(selector)})?.innerText ?? '').includes({json.dumps(text)})", seconds
        )

    def fill(self, name: str, value: str) -> None:
        """Type into the field of a name, in place of what is there."""
        found = f"document.querySelector('main [name={json.dumps(name)}]')"
        self.run(f"{found}.focus(); {found}.select?.()")
        self.send("Input.insertText", text=value)

    def follow(self, text: str, within: str = "main") -> None:
        """Click the link or button with a text; return when what it leads to is loaded."""
        found = (
            f"[...document.querySelectorAll({json.dumps(within)} + ' :is(a, button)')]"
            f".find(element => element.innerText.trim().startsWith({json.dumps(text)}))"
        )
        self.wait(f"!!{found}")
        self.run(f"window.old = true; {found}.click()")
        self._loaded()

    def log_in(self, address: str, name: str, password: str) -> None:
        """Log in to the console."""
        self.open(f"{address}/login")
        self.fill("name", name)
        self.fill("password", password)
        self.follow("Log in")

    def screen(self, width: int, height: int, *, dark: bool = False, scale: float = 1) -> None:
        """Set the size in pixels, and whether the system prefers light or dark."""
        mobile = width < 600
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=mobile
        )
        self.send("Emulation.setScrollbarsHidden", hidden=True)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])

    def picture(self, path: Path, *, whole: bool = False) -> None:
        """Take a picture of the screen, or of the whole page."""
        more: dict[str, Any] = {}
        if whole:
            size = self.send("Page.getLayoutMetrics")["cssContentSize"]
            more = {"captureBeyondViewport": True, "clip": {**size, "x": 0, "y": 0, "scale": 1}}
        taken = self.send("Page.captureScreenshot", format="png", **more)
        path.write_bytes(base64.b64decode(taken["data"]))


@contextmanager
def browser_running() -> Iterator[str]:
    """Start a browser for as long as the block lasts; yield the address of its protocol."""
    directory = Path(tempfile.mkdtemp(prefix="wg-browser-"))
    process = subprocess.Popen(
        [
            PROGRAM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--no-proxy-server",
            "--remote-debugging-port=0", f"--user-data-dir={directory}", "about:blank",
        ],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        port_file = directory / "DevToolsActivePort"
        assert wait_until(lambda: port_file.exists() and port_file.read_text().count("\n") >= 1, PATIENCE_SECONDS)
        port, path = port_file.read_text().split("\n")[:2]
        yield f"ws://127.0.0.1:{port}{path}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(patient(10))
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def browsing(address: str) -> Iterator[Browser]:
    """Open a tab of a browser that runs. It shares nothing with other tabs: no cookies, no cache."""
    # No pings: a browser that is starved on a busy machine is waited for with the deadlines of what is asked of it.
    with connect(address, max_size=_MOST_BYTES, proxy=None, ping_interval=None) as socket:
        numbers = itertools.count(1)

        def ask(method: str, **parameters: Any) -> Mapping[str, Any]:
            number = next(numbers)
            socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
            while (answer := json.loads(socket.recv(ANSWER_SECONDS))).get("id") != number:
                pass
            result: Mapping[str, Any] = answer["result"]
            return result

        context = ask("Target.createBrowserContext")["browserContextId"]
        target = ask("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        yield Browser(socket, ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"])
        ask("Target.disposeBrowserContext", browserContextId=context)
