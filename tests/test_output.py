"""What commands print: with ``--json`` nothing but JSON on stdout, whoever else prints."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import ROOT

PRINTERS = {
    "python": "print('noise')",
    "bytes": "import os; os.write(1, b'noise\\n')",
    "child": "import subprocess, sys; subprocess.run([sys.executable, '-c', \"print('noise')\"])",
    "thread": "import threading; t = threading.Thread(target=print, args=('noise',)); t.start(); t.join()",
    "nothing": "import sys; sys.stderr.write('noise\\n')",
}


@pytest.mark.parametrize("printer", PRINTERS.values(), ids=PRINTERS)
def test_others_print_to_stderr(printer) -> None:
    script = (
        "from argparse import Namespace\n"
        "from lusifer.cli.output import others_print_to_stderr, print_json\n"
        f"with others_print_to_stderr():\n    {printer}\n"
        "print_json(Namespace(json=True), {'a': float('nan')})\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == '{"a": null}\n' and "noise" in done.stderr
