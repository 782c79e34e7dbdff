import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

from parent import Parent  # noqa: E402


@pytest.fixture
def start(tmp_path):
    """Starts bridges, which end with the test."""
    parents = []

    def make(source, **options):
        parents.append(Parent(tmp_path, source, **options))
        return parents[-1]

    yield make
    for parent in parents:
        parent.close()
