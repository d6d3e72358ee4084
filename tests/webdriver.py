"""A real browser without a screen: Chromium, driven by its own driver over the WebDriver protocol.

Needs the two programs alone (Debian: `apt-get install chromium chromium-driver`).
"""

import base64
import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

#: What the programs are called.
BROWSERS, DRIVERS = ('chromium', 'chromium-browser', 'google-chrome'), ('chromedriver', 'chromium.chromedriver')
ELEMENT = 'element-6066-11e4-a52e-4f735466cecf'  # the protocol's name for a reference to an element


def why_no_browser() -> str | None:
    """The reason to skip a test, or None where both programs are there."""
    for names in (BROWSERS, DRIVERS):
        if not any(map(shutil.which, names)):
            return f'no {names[0]} is installed (Debian: apt-get install chromium chromium-driver)'
    return None


class Browser:
    """One page in a window of its own; a context manager.

    Args:
        width, height: of the window.
    """

    def __init__(self, width: int = 1200, height: int = 1600) -> None:
        browser, driver = (next(filter(None, map(shutil.which, names))) for names in (BROWSERS, DRIVERS))
        self._driver = subprocess.Popen(
            [driver, '--port=0'], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self._base = ''
        for line in self._driver.stdout:
            if 'successfully on port ' in line:
                self._base = f'http://127.0.0.1:{int(line.rsplit("on port ", 1)[1].strip(" ." + chr(10)))}'
                break
        arguments = ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--hide-scrollbars']
        options = dict(binary=browser, args=[*arguments, f'--window-size={width},{height}'])
        wanted = {'goog:chromeOptions': options, 'goog:loggingPrefs': dict(browser='ALL', performance='ALL')}
        session = self._call('POST', '/session', dict(capabilities=dict(alwaysMatch=wanted)))
        self._base += f'/session/{session["sessionId"]}'

    def __enter__(self) -> 'Browser':
        return self

    def __exit__(self, *error: object) -> None:
        try:
            self._call('DELETE', '')
        finally:
            self._driver.terminate()
            self._driver.wait()
            self._driver.stdout.close()

    def open(self, page: Path) -> None:
        """Opens a file."""
        self._call('POST', '/url', dict(url=page.resolve().as_uri()))

    def run(self, script: str, *arguments: Any) -> Any:
        """What the script returns."""
        return self._call('POST', '/execute/sync', dict(script=script, args=list(arguments)))

    def until(self, script: str, seconds: float = 30) -> Any:
        """Waits until the script returns something true, and returns it."""
        end = time.monotonic() + seconds
        while not (found := self.run(script)):
            assert time.monotonic() < end, f'not true within {seconds} s: {script}'
            time.sleep(0.1)
        return found

    def click(self, selector: str, x: float = 0.5, y: float = 0.5) -> None:
        """Moves the mouse to a place in an element, in shares of its width and height, and clicks."""
        self.run('document.querySelector(arguments[0]).scrollIntoView({block: "center"})', selector)
        found = self._call('POST', '/element', {'using': 'css selector', 'value': selector})
        box = self._call('GET', f'/element/{found[ELEMENT]}/rect')
        move = dict(type='pointerMove', duration=0, origin=found)
        move.update(x=round((x - 0.5) * box['width']), y=round((y - 0.5) * box['height']))
        press = [dict(type='pointerDown', button=0), dict(type='pointerUp', button=0)]
        self._call('POST', '/actions', dict(actions=[dict(type='pointer', id='mouse', actions=[move, *press])]))

    def keys(self, selector: str, text: str) -> None:
        """Types into an element."""
        found = self._call('POST', '/element', {'using': 'css selector', 'value': selector})
        self._call('POST', f'/element/{found[ELEMENT]}/value', dict(text=text))

    def errors(self) -> list[str]:
        """What the console has complained about since the last call."""
        entries = self._call('POST', '/se/log', dict(type='browser'))
        return [entry['message'] for entry in entries if entry['level'] in ('SEVERE', 'WARNING')]

    def requests(self) -> list[str]:
        """Addresses that were asked for since the last call, those inside the page apart."""
        events = [json.loads(e['message'])['message'] for e in self._call('POST', '/se/log', dict(type='performance'))]
        sent = [e['params']['request']['url'] for e in events if e['method'] == 'Network.requestWillBeSent']
        return [url for url in sent if not url.startswith(('data:', 'blob:'))]

    def screenshot(self, out: Path) -> None:
        """Of the window, as PNG."""
        out.write_bytes(base64.b64decode(self._call('GET', '/screenshot')))

    def _call(self, method: str, path: str, body: dict | None = None) -> Any:
        request = urllib.request.Request(
            self._base + path,
            None if body is None else json.dumps(body).encode(),
            {'Content-Type': 'application/json'},
            method=method,
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=120) as answer:
                return json.load(answer)['value']
        except urllib.error.HTTPError as error:
            raise RuntimeError(f'{method} {path}: {json.load(error)["value"]["message"]}') from None
