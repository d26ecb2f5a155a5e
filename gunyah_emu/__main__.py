"""`python -m gunyah_emu` is `gunyah-emu`."""

import sys

from gunyah_emu.cli import main

if __name__ == "__main__":
    sys.exit(main())
