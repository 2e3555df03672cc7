"""``python -m lusifer``."""

import sys

from lusifer.cli import main

sys.exit(main())
