"""Makes the modules that draw test data (`made_data.py`) importable from the tests beside them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
