"""Get a browser for the tests: an installed one, else Playwright's download, else the system's.

    python tests/browser/install.py

Prints the browser it found, or what was tried and what to do.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import finder

SECONDS = 600


def attempt(command: list[str], env: dict[str, str] | None = None) -> str:
    """Run one command; "" when it went well, else the last line of what it said."""
    print("  " + " ".join(command), flush=True)
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            env={**os.environ, **(env or {})},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{command[0]}: {error}"
    if done.returncode == 0:
        return ""
    said = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
    wrong = [line for line in said if line.startswith(("E:", "Error", "error"))] or said
    return f"{' '.join(command[:3])}: {wrong[-1] if wrong else 'exit code ' + str(done.returncode)}"


def system_commands() -> list[list[list[str]]]:
    """The system's package managers that are here, each a list of commands."""
    root = [] if getattr(os, "geteuid", lambda: 0)() == 0 else ["sudo", "-n"]
    if root and not shutil.which("sudo"):
        return []
    ways: list[list[list[str]]] = []
    if shutil.which("apt-get"):
        get = [*root, "apt-get", "-y", "-qq"]
        ways.append([[*get, "update"], [*get, "install", "--no-install-recommends", "chromium"]])
    if shutil.which("dnf"):
        ways.append([[*root, "dnf", "-y", "-q", "install", "chromium"]])
    if shutil.which("apk"):
        ways.append([[*root, "apk", "add", "--quiet", "chromium"]])
    if shutil.which("pacman"):
        ways.append([[*root, "pacman", "-Sy", "--noconfirm", "--quiet", "chromium"]])
    if shutil.which("brew"):
        ways.append([["brew", "install", "--cask", "chromium"]])
    return ways


def main() -> int:
    """0 when a browser is there at the end, 1 with what to do when not."""
    wanted = os.environ.get("LUSIFER_BROWSER")
    if wanted and not Path(wanted).exists():
        print(f"LUSIFER_BROWSER names {wanted}, which is not there.", file=sys.stderr)
        return 1
    found = finder.find()
    if found:
        print(f"Browser for the tests: {found}")
        return 0
    print("No Chromium or Chrome is installed; getting one (once) ...", flush=True)
    failures = []
    said = attempt([sys.executable, "-m", "playwright", "install", "chromium"])
    if said:
        failures.append(said)
        for way in system_commands():
            for command in way:
                said = attempt(command, {"DEBIAN_FRONTEND": "noninteractive"})
                # A failed index update need not stop the install: the lists may be there.
                if said:
                    failures.append(said)
            if finder.installed():
                break
    found = finder.find()
    if found:
        print(f"Browser for the tests: {found}")
        return 0
    print(
        "No browser for the tests. Tried:\n  "
        + "\n  ".join(failures or ["no package manager of the system was found"])
        + "\nInstall Chromium or Chrome by hand, or set LUSIFER_BROWSER to its path, "
        "then run make test again.",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
