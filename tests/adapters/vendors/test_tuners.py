"""One suite over every tuner: what ``tuner_contract`` asks, on the bench of each vendor."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from tests.adapters.vendors import embedded_bench, google_bench, local_bench, openai_bench
from tests.adapters.vendors.tuner_contract import CHECKS, Bench

Open = Callable[[Path], AbstractAsyncContextManager[Bench]]

# One line for each vendor. What needs an extra carries a mark, or skips when it is entered.
BENCHES = [
    pytest.param(embedded_bench.bench, id="embedded"),
    pytest.param(google_bench.bench, id="google"),
    pytest.param(google_bench.preferences, id="google-preferences"),
    pytest.param(openai_bench.bench, id="openai"),
    pytest.param(local_bench.bench, id="local"),
]


@pytest.fixture(params=BENCHES)
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    """The far side of one vendor's tuner."""
    opened: Open = request.param
    async with opened(tmp_path) as running:
        yield running


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_contract(bench: Bench, check: Callable[[Bench], Awaitable[None]]) -> None:
    await check(bench)
