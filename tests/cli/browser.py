"""A headless Chromium, driven over two pipes by its own protocol (DevTools): JSON, a NUL behind each message.

The packages that do this bring 160 MB and a second language; it takes two pipes and a time limit, which we have.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import time

from unixipc import PeerGone, pipe, spawn

LIMIT_S = 60
PROGRAM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage", "--disable-breakpad"),
    *("--disable-extensions", "--no-default-browser-check", "--mute-audio", "--host-resolver-rules=MAP * ~NOTFOUND"),
    "--remote-debugging-pipe",
)


class Browser:
    """A browser with one page. Everything it says meanwhile is kept in `events`."""

    def __init__(self, folder, width=1400, height=900) -> None:
        self.events: list[dict] = []
        self.buffer = b""
        self.number = 0
        self.session = None
        theirs_in, self.to_browser = pipe()
        self.from_browser, theirs_out = pipe()
        profile = folder / "profile"
        profile.mkdir()
        environment = os.environ | {
            "HOME": str(profile),
            "TMPDIR": str(profile),
            "DBUS_SESSION_BUS_ADDRESS": "disabled:",
        }
        flags = (*FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}", "about:blank")
        with theirs_in, theirs_out, open(os.devnull, "r+b") as null:
            self.child = spawn(
                [PROGRAM, *flags], stdin=null, stdout=null, stderr=null, descriptors={3: theirs_in, 4: theirs_out},
                env=environment, new_group=True, death_signal=signal.SIGKILL,
            )  # fmt: skip
        try:
            self._begin(width, height)
        except BaseException:
            self.close()
            raise

    def _begin(self, width: int, height: int) -> None:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def call(self, method: str, **params):
        """Ask for it and wait for the answer."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        self.to_browser.write_all(json.dumps(message).encode() + b"\0", timeout=LIMIT_S)
        while True:
            answer = self._receive()
            if answer.get("id") == self.number:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def _receive(self) -> dict:
        while b"\0" not in self.buffer:
            more = self.from_browser.read(1 << 20, timeout=LIMIT_S)
            if not more:
                raise PeerGone(32, "the browser has ended")
            self.buffer += more
        message, _nul, self.buffer = self.buffer.partition(b"\0")
        return json.loads(message)

    def open(self, path) -> None:
        """Show this file, and wait until it is there."""
        self.call("Page.navigate", url=path.as_uri())
        self.until("document.readyState === 'complete' && location.protocol === 'file:'")

    def value(self, expression: str):
        """What the page says to it."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def until(self, expression: str):
        """Look again until it is true."""
        deadline = time.monotonic() + LIMIT_S
        while not (found := self.value(expression)):
            assert time.monotonic() < deadline, f"never so: {expression}"
            time.sleep(0.02)
        return found

    def mouse(self, x: float, y: float, *what: str) -> None:
        """Go there, and press and release if asked."""
        for each in ("mouseMoved", *what):
            button = {} if each == "mouseMoved" else {"button": "left", "clickCount": 1}
            self.call("Input.dispatchMouseEvent", type=each, x=x, y=y, **button)

    def click(self, x: float, y: float) -> None:
        """A click of the left button."""
        self.mouse(x, y, "mousePressed", "mouseReleased")

    def key(self, key: str, text: str = "") -> None:
        """One key, down and up."""
        code = {"Enter": 13, "Escape": 27, "Tab": 9}.get(key, ord(key[0]))
        more = {"text": "\r"} if key == "Enter" else {"text": text} if text else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, **more)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def type(self, text: str) -> None:
        """Into what has the focus."""
        self.call("Input.insertText", text=text)

    def screenshot(self, path) -> None:
        """What is seen, as PNG."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def complaints(self) -> list[dict]:
        """Errors and warnings of the page and of its console, and what the page's policy refused."""
        methods = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
        return [event for event in self.events if event["method"] in methods]

    def requests(self) -> list[str]:
        """What was asked for, from wherever."""
        return [
            event["params"]["request"]["url"] for event in self.events if event["method"] == "Network.requestWillBeSent"
        ]

    def close(self) -> None:
        """End it with all its processes."""
        self.to_browser.close()
        self.from_browser.close()
        try:
            os.killpg(self.child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.child.wait(timeout=LIMIT_S)
        self.child.close()
