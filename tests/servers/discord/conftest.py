"""What the tests of the local Discord share."""

from collections.abc import AsyncIterator

import pytest

from tests.servers.discord.stand_in import Birds, rehearsal


@pytest.fixture
async def birds() -> AsyncIterator[Birds]:
    """A server with one guild, where clients of discord.py can be started."""
    async with rehearsal() as found:
        yield found
