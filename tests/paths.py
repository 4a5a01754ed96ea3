"""Where tests find the project's files."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PREVIEWS = ROOT / "tests/data/previews"
