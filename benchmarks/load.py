"""Many sessions that step through evolutions at once, on one server.

Aim: 50 on 2 cores, no error, median step under 1 s, memory flat over 10 minutes.

A session speaks what the page in a browser speaks (Streamlit's protocol over a WebSocket): it opens another user's
evolution, presses Next, reads for a while, and at the last step goes to another user. A step is timed from the press
until the view of the new step has arrived and the script has ended. Fifty real browsers on the server's own two cores
would measure the browsers; one real Chromium steps beside the fifty, for what a person sees. Memory is the server's
alone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
from pathlib import Path
from statistics import fmean, median, quantiles

from playwright.async_api import async_playwright
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from benchmarks import figures
from lusifer import settings
from lusifer.datasets import load

DATA = settings.data_dir()  # before the tests' own settings, which know no data folder

from tests.browser import finder  # noqa: E402
from tests.browser.conftest import running  # noqa: E402

AIM_STEP = 1.0
READY = """n => { const a = document.querySelector('[data-testid=stApp]');
 return a && a.getAttribute('data-test-script-state') === 'notRunning' && [...a.querySelectorAll('*')].some(
  e => e.shadowRoot && e.shadowRoot.textContent.includes('Why it changed at step ' + n)); }"""


def resident(port: str) -> float:
    """Megabytes of the server that listens on a port; 0 where /proc can't tell."""
    total = 0.0
    for place in Path("/proc").glob("[0-9]*"):
        try:
            command = (place / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if {"streamlit", "lusifer.ui.server"} & set(command) and port in command:
                total += int((place / "status").read_text().split("VmRSS:")[1].split()[0]) / 1024
        except (OSError, IndexError):
            continue
    return total


class Session:
    """One person, as the server meets them."""

    def __init__(self, number: int, users: list[int], url: str, think: float) -> None:
        self.random = random.Random(number)
        self.users, self.url, self.think = users, url, think
        self.steps: list[float] = []
        self.changes: list[float] = []
        self.errors: list[str] = []
        self.ids: dict[str, tuple[str, bool]] = {}
        self.query = ""

    async def live(self, until: float) -> None:
        try:
            address = f"{self.url.replace('http', 'ws')}/_stcore/stream"
            async with connect(address, subprotocols=[Subprotocol("streamlit")], max_size=None) as socket:
                await self.steps_of(socket, until)
        except Exception as error:
            self.errors.append(f"{type(error).__name__}: {error}")

    async def steps_of(self, socket: ClientConnection, until: float) -> None:
        self.query = f"user={self.random.choice(self.users)}"
        await self.run(socket, BackMsg(), 1)
        while time.monotonic() < until:
            for step in (2, 3, 4):
                await asyncio.sleep(self.random.uniform(0.5, 1.5) * self.think)
                name, disabled = self.ids.get("Next", ("", True))
                if time.monotonic() >= until or disabled:
                    break
                pressed = BackMsg()
                pressed.rerun_script.widget_states.widgets.add(id=name, trigger_value=True)
                began = time.perf_counter()
                await self.run(socket, pressed, step)
                self.steps.append(time.perf_counter() - began)
            await asyncio.sleep(self.random.uniform(0.5, 1.5) * self.think)
            if time.monotonic() < until:
                chosen = BackMsg()
                states = chosen.rerun_script.widget_states.widgets
                states.add(id=self.ids["User ID"][0], int_value=self.random.choice(self.users))
                if "Step" in self.ids:  # a short history has one step alone
                    states.add(id=self.ids["Step"][0]).double_array_value.data.append(1)
                began = time.perf_counter()
                await self.run(socket, chosen, 1)
                self.changes.append(time.perf_counter() - began)

    async def run(self, socket: ClientConnection, asked: BackMsg, step: int) -> None:
        """Send it, and read until the script has ended; the linked view at a step must be among what came."""
        asked.rerun_script.query_string = self.query
        asked.rerun_script.page_name = "evolution"
        await socket.send(asked.SerializeToString())
        said = False
        async with asyncio.timeout(60):
            while True:
                data = await socket.recv()
                answer = ForwardMsg()
                answer.ParseFromString(data if isinstance(data, bytes) else data.encode())
                kind = answer.WhichOneof("type")
                if kind == "delta" and answer.delta.HasField("new_element"):
                    said |= self.element(answer.delta.new_element, step)
                elif kind == "page_info_changed":
                    self.query = answer.page_info_changed.query_string
                elif kind == "script_finished" and said:
                    return

    def element(self, found, step: int) -> bool:
        """Note what can be pressed, and errors; whether it is the linked view at the step."""
        kind = found.WhichOneof("type")
        if kind in {"button", "number_input", "slider"}:
            part = getattr(found, kind)
            label = next((x for x in ("Next", "User ID", "Step") if part.label.startswith(x)), None)
            if label is not None and (label != "Step" or kind == "slider"):
                self.ids[label] = (part.id, part.disabled)
        elif kind == "exception":
            self.errors.append(found.exception.message)
        return kind == "bidi_component" and json.loads(found.bidi_component.json)["step"] == step


async def browse(url: str, exe: str, users: list[int], think: float, until: float) -> list[float]:
    """One real browser: seconds from a press of Next until the page stands."""
    found, chance = [], random.Random(99)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=exe, args=finder.flags())
        page = await browser.new_page()
        page.set_default_timeout(60_000)
        while time.monotonic() < until:
            await page.goto(f"{url}/evolution?user={chance.choice(users)}")
            await page.wait_for_function(READY, arg=1, polling=100)
            for step in (2, 3, 4):
                await asyncio.sleep(think)
                button = page.get_by_role("button", name="Next")
                if time.monotonic() >= until or await button.is_disabled():
                    break
                began = time.perf_counter()
                await button.click()
                await page.wait_for_function(READY, arg=step, polling=50)
                found.append(time.perf_counter() - began)
        await browser.close()
    return found


async def drive(url: str, given: argparse.Namespace, exe: str | None, users: list[int]) -> bool:
    port = url.rpartition(":")[2]
    sessions = [Session(n, users, url, given.think) for n in range(given.sessions)]
    began = time.monotonic()
    until = began + given.minutes * 60 + given.ramp
    lives = []
    for session in sessions:
        lives.append(asyncio.create_task(session.live(until)))
        await asyncio.sleep(given.ramp / given.sessions)
    for session in sessions:
        session.steps.clear()  # those of a server that is not full yet
    seen = asyncio.create_task(browse(url, exe, users, given.think, until)) if exe else None
    memory = []
    while time.monotonic() < until:
        memory.append(resident(port))
        print(
            f"  {time.monotonic() - began - given.ramp:4.0f} s: {sum(len(s.steps) for s in sessions):,} steps, "
            f"{sum(len(s.errors) for s in sessions)} errors, {memory[-1]:,.0f} MB",
            flush=True,
        )
        await asyncio.sleep(min(30, max(until - time.monotonic(), 0.1)))
    await asyncio.gather(*lives)
    memory.append(resident(port))
    steps = [s for session in sessions for s in session.steps]
    changes = [s for session in sessions for s in session.changes]
    errors = [e for session in sessions for e in session.errors]
    third = max(len(memory) // 3, 1)
    early, late = fmean(memory[:third]), fmean(memory[-third:])
    print(
        f"{given.sessions} sessions, {given.minutes:g} minutes, {len(steps):,} steps "
        f"({len(steps) / given.minutes / 60:.1f} a second): "
        f"median {median(steps):.2f} s ({median(steps) / AIM_STEP:.2f} of {AIM_STEP:.0f} s), "
        f"of the slowest tenth {quantiles(steps, n=10)[-1]:.2f} s, "
        f"{len(errors)} errors; each step was read for {given.think:g} s on average"
    )
    if changes:
        print(
            f"going to another user, whose evolution is computed: median {median(changes):.2f} s over {len(changes):,}"
        )
    shown = await seen if seen is not None else []
    if shown:
        print(f"a real browser beside them: median {median(shown):.2f} s over {len(shown)} steps")
    print(
        f"memory of the server: {early:,.0f} MB in the first third, {late:,.0f} MB in the last "
        f"({late / max(early, 1):.2f} times)"
    )
    for error in errors[:5]:
        print(f"  {error}")
    if given.write_figures:
        measured = {
            "steps": f"{len(steps):,}",
            "per-second": f"{len(steps) / given.minutes / 60:.1f}",
            "median": f"{median(steps):.2f}",
            "p90": f"{quantiles(steps, n=10)[-1]:.2f}",
            "memory-first": f"{early:,.0f}",
            "memory-last": f"{late:,.0f}",
        }
        figures.write_figures("load", measured | ({"browser": f"{median(shown):.2f}"} if shown else {}))
    return bool(steps) and not errors


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sessions", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--ramp", type=float, default=30.0, help="seconds until all have come")
    parser.add_argument("--think", type=float, default=10.0, help="seconds that a step is read, on average")
    parser.add_argument("--no-browser", action="store_true", help="no real browser beside them")
    parser.add_argument(figures.OPTION, action="store_true", help="for docs/figures.json")
    given = parser.parse_args()
    users = [int(u) for u in load("ml-100k", DATA).user_ids]
    exe = None if given.no_browser else finder.find()
    with running(DATA) as app:
        raise SystemExit(0 if asyncio.run(drive(app.url, given, exe, users)) else 1)


if __name__ == "__main__":
    main()
