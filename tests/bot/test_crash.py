"""A process killed in the middle of its replies leaves every accepted message with exactly one ended exchange."""

import random
from pathlib import Path

from tests.bot.crash import one_round


def test_nothing_accepted_is_lost_doubled_or_left_pending(tmp_path: Path) -> None:
    moment = random.Random(7)
    for number in range(2):
        found = one_round(number, tmp_path, moment)
        assert (found.lost, found.doubled, found.pending) == (0, 0, 0)
        assert found.accepted
