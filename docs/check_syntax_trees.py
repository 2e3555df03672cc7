"""Shows that a commit changed the form of Python files and nothing else.

    python docs/check_syntax_trees.py BEFORE AFTER

Compares the syntax tree of every Python file in two commits; positions and comments do not count. Prints the files
that differ, and exits with 1 when there are any. Used for every commit in ``.git-blame-ignore-revs``.
"""

from __future__ import annotations

import ast
import subprocess
import sys


def read_trees(commit: str) -> dict[str, str]:
    """The dumped syntax tree of each Python file of a commit, by path."""
    listing = subprocess.run(
        ["git", "ls-tree", "-r", "--name-only", "-z", commit], capture_output=True, text=True, check=True
    )
    paths = [path for path in listing.stdout.split("\0") if path.endswith(".py")]
    texts = {
        path: subprocess.run(["git", "show", f"{commit}:{path}"], capture_output=True, check=True).stdout
        for path in paths
    }
    return {path: ast.dump(ast.parse(text)) for path, text in texts.items()}


def main() -> int:
    """Compare the two commits that the command line names."""
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    before, after = (read_trees(commit) for commit in sys.argv[1:])
    differing = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    print(f"{len(before)} files before, {len(after)} after, {len(differing)} differ", *differing, sep="\n")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
