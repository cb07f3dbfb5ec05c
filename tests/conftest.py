"""What every test needs."""

import custom_components  # noqa: F401
