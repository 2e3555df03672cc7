"""The package as people install it: built, installed into a fresh environment, started in another folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from email.parser import Parser
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import settled
from tests.conftest import ROOT
from tests.servers.files import FileServer, wheel_of
from tests.test_launcher import free_port, wait_for_line

BAIT = "raise SystemExit('somebody else\\'s app.py was run')\n"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source distribution, made from what git tracks."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True
    )
    if listing.returncode:
        pytest.skip("this is no git checkout")
    for name in listing.stdout.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    (source / ".env").write_text("OPENAI_API_KEY=planted\n")
    (source / ".streamlit" / "secrets.toml").write_text("planted = 1\n")
    done = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(source)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def test_what_the_distributions_hold(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = Parser().parsestr(archive.read(next(n for n in names if n.endswith("METADATA"))).decode())
    pages = {f"lusifer/_app/{p.relative_to(ROOT)}" for p in (ROOT / "pages").rglob("*.py")}
    assert names >= {"lusifer/py.typed", "lusifer/_app/app.py", "lusifer/_app/.streamlit/config.toml", *pages}
    data = [p for kind in ("j2", "js", "css") for p in (ROOT / "lusifer").rglob(f"*.{kind}")]
    assert names >= {f"lusifer/{p.relative_to(ROOT / 'lusifer')}" for p in data}
    assert {n.split("/")[0] for n in names} == {"lusifer", wheel.name.rsplit("-", 3)[0] + ".dist-info"}
    (source,) = built.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        inside = {n.partition("/")[2] for n in archive.getnames()}
    assert inside >= {"tests/browser/test_package.py", "app.py", "Makefile", "requirements.txt", "constraints.txt"}
    assert not {n for n in names | inside if n.endswith((".env", "secrets.toml", ".db"))}
    for header in ("Author", "Summary", "License-Expression", "Requires-Python", "Project-URL", "Classifier"):
        assert metadata[header], header
    assert set(metadata.get_all("Provides-Extra")) == {"local", "scale", "rl"}
    text = metadata.get_payload()
    assert "](docs/" not in text and 'srcset="docs/' not in text, "links that lead nowhere outside the repository"


class Installed:
    """An environment with the wheel, a home of its own, and a folder that belongs to something else."""

    def __init__(self, base: Path, wheel: Path) -> None:
        self.folder, self.home = base / "elsewhere", base / "home"
        for folder in (self.folder / ".streamlit", self.folder / "pages", self.home):
            folder.mkdir(parents=True)
        (self.folder / "app.py").write_text(BAIT)
        (self.folder / "lusifer.py").write_text(BAIT)
        (self.folder / "pages" / "bait.py").write_text(BAIT)
        (self.folder / ".env").write_text("LUSIFER_DATA=/nonexistent/bait\n")
        (self.folder / ".streamlit" / "config.toml").write_text(
            '[server]\naddress = "0.0.0.0"\n[browser]\ngatherUsageStats = true\n[theme]\nbase = "dark"\n'
        )
        where = base / "venv"
        venv.create(where, with_pip=False, symlinks=os.name == "posix")
        self.bin = where / ("Scripts" if os.name == "nt" else "bin")
        python = self.bin / ("python.exe" if os.name == "nt" else "python")
        install = [
            sys.executable,
            "-m",
            "pip",
            "--python",
            str(python),
            "install",
            "--quiet",
            "--no-deps",
            "--no-index",
        ]
        subprocess.run([*install, str(wheel)], check=True, capture_output=True)
        # What the wheel asks for is installed here already; the fresh environment borrows it.
        site = subprocess.run(
            [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        (Path(site) / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
        guard = os.environ.get("PYTHONPATH", "").split(os.pathsep)[0]
        self.env = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("LUSIFER_DATA", "LUSIFER_DB"))},
            "PYTHONPATH": guard,
            "HOME": str(self.home),
            "LOCALAPPDATA": str(self.home),
            "XDG_DATA_HOME": str(self.home / "share"),
        }

    def popen(self, *arguments: str, **env: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(self.bin / "lusifer"), *arguments],
            cwd=self.folder,
            env={**self.env, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )

    def run(self, *arguments: str, code: int = 0, **env: str) -> str:
        child = self.popen(*arguments, **env)
        out, _ = child.communicate(timeout=170)
        assert child.returncode == code, out
        return out


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    (wheel,) = built.glob("*.whl")
    return Installed(tmp_path_factory.mktemp("installed"), wheel)


def test_the_command_line_from_a_folder_of_somebody_else(installed: Installed, tmp_path: Path) -> None:
    assert "evolve" in installed.run("--help") and "usage: lusifer" in installed.run("--help")
    where = json.loads(installed.run("where", "--json"))
    assert where["data"].startswith(str(installed.home)) and "_app" in where["app"]
    missing = installed.run("evolve", "--user", "405", code=2)
    assert "lusifer data fetch ml-100k" in missing and "python -m" not in missing
    assert str(tmp_path) in installed.run("where", "--data-dir", str(tmp_path))
    assert not (installed.folder / "data").exists()
    code = "from lusifer import settings; print(settings.install_extra('scale'))"
    python = [str(installed.bin / "python"), "-c", code]
    done = subprocess.run(python, cwd=installed.home, env=installed.env, capture_output=True, text=True)
    assert done.stdout.strip() == 'pip install "lusifer[scale]"', done.stderr


def test_requirements_are_met(installed: Installed) -> None:
    python = str(installed.bin / "python")
    done = subprocess.run([sys.executable, "-m", "pip", "--python", python, "check"], capture_output=True, text=True)
    assert "lusifer" not in done.stdout, done.stdout


@pytest.mark.browser
def test_the_app_from_a_folder_of_somebody_else(installed: Installed, recbole: Path, visit) -> None:
    """Fetched, evolved, opened in a browser: with our theme, on loopback alone, without usage statistics."""
    with FileServer() as index:
        env = {
            "PIP_INDEX_URL": index.add_index(wheel_of(recbole)),
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_CACHE_DIR": "1",
            "LUSIFER_ML100K_URL": f"{index.url}/nothing-here.zip",
        }
        assert "100,000 ratings" in installed.run("data", "fetch", "ml-100k", **env)
    assert "Step 4" in installed.run("evolve", "--user", "405")
    port = free_port()
    child = installed.popen("app", "--port", str(port), "--no-browser")
    try:
        lines = wait_for_line(child, "is ready at")
        assert not [line for line in lines if "External URL" in line or "Network URL" in line]
        server = psutil.Process(child.pid)
        family = {process.pid for process in [server, *server.children(recursive=True)]}
        listening = {
            c.laddr.ip for c in psutil.net_connections("tcp") if c.pid in family and c.status == psutil.CONN_LISTEN
        }
        assert listening and listening <= {"127.0.0.1", "::1"}
        for path in ("?user=405", "evolution?user=405", "errors"):
            page = settled(visit(f"http://localhost:{port}/{path}"))
            expect(page.get_by_test_id("stException")).to_have_count(0)
            expect(page.get_by_role("dialog")).to_have_count(0)
            background = page.evaluate(
                "getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor"
            )
            assert background == "rgb(251, 251, 249)", "our light theme, not the folder's dark one"
            page.context.close()
    finally:
        child.terminate()
        child.wait(60)
    assert child.returncode == 0
    assert sorted(p.name for p in installed.folder.iterdir()) == [".env", ".streamlit", "app.py", "lusifer.py", "pages"]
