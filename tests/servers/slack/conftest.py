"""What the tests of the local Slack share."""

from collections.abc import AsyncIterator

import pytest

from tests.servers.slack.stand_in import Birds, rehearsal


@pytest.fixture
async def birds() -> AsyncIterator[Birds]:
    """A workspace with one channel, where apps on slack-bolt can be started."""
    async with rehearsal() as found:
        yield found
