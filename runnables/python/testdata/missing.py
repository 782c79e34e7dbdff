"""A module that needs another one."""

import ekiben  # noqa: F401
import no_such_module  # noqa: F401
