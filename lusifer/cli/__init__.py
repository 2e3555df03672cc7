"""The command line: the same capabilities without a browser; a module a command.

With ``--json``, JSON alone goes to stdout. Progress goes to stderr. Bad input ends with exit code 2
and one line that says what is wrong. Heavy imports stay inside the commands: ``--help`` is instant.
"""
