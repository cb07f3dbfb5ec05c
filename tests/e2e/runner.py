"""How the demo's programs run and end: at a signal in order, at a failure with its reason."""

import asyncio
from collections.abc import Coroutine
import io
import signal
import sys

from .harness.api import ApiError
from .harness.programs import MissingProgramError, ProgramEndedError

_INTERRUPTED = 130


class FailedError(Exception):
    """What was to be shown did not happen; the text says why."""


async def _until_signal(work: Coroutine[None, None, None]) -> None:
    task = asyncio.ensure_future(work)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    await task


def run(work: Coroutine[None, None, None]) -> None:
    """Run to the end and leave with 0, or say why not; whatever was started is ended first."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal that cannot show the bar must not end the demo.
        sys.stdout.reconfigure(errors="replace")
    try:
        asyncio.run(_until_signal(work))
    except asyncio.CancelledError:
        sys.exit(_INTERRUPTED)
    except (ApiError, FailedError, MissingProgramError, OSError, ProgramEndedError, TimeoutError) as err:
        sys.exit("\n".join([*getattr(err, "__notes__", ()), f"Failed: {err}"]))
