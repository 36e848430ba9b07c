"""`python -m stillmotion`."""

import sys

from stillmotion.cli import main

if __name__ == "__main__":
    sys.exit(main())
