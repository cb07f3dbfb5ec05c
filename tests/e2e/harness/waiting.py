"""Waiting for what other programs do, never for longer than is sane."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

_PAUSE = 0.05


async def until[T](
    probe: Callable[[], Awaitable[T | None]], what: str, *, timeout: float = 60, but: tuple[type[Exception], ...] = ()
) -> T:
    """Return the first true answer of a probe; exceptions of the types `but` count as "not yet".

    `timeout` is in seconds; when it is over, TimeoutError says what was waited for.
    """
    try:
        async with asyncio.timeout(timeout):
            while True:
                with suppress(*but):
                    if answer := await probe():
                        return answer
                await asyncio.sleep(_PAUSE)
    except TimeoutError as err:
        raise TimeoutError(f"Waited {timeout:.0f} s for {what}") from err
