"""`python -m stylegrow` is the command `stylegrow`."""

import sys

from stylegrow.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
