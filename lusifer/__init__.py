"""Lusifer Explorer: simulate the users of a recommender system with language models, and see inside.

Importing the package is cheap on purpose (the command line's ``--help`` has 0.3 s); the work is in
the sub-packages, see ``docs/architecture.md``.
"""

__version__ = "0.1.0"
