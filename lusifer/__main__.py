"""``python -m lusifer``."""

import sys

from lusifer.cli.main import main

sys.exit(main())
