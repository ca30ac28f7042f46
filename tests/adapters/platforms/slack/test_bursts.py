"""What comes in a burst is acknowledged before it is answered, in order, and nothing waits where there is no burst."""

import asyncio

from adapters.platforms.slack.bursts import Bursts


def _come(bursts: Bursts, times: int) -> None:
    for _ in range(times):
        bursts.came()


async def test_what_comes_alone_waits_for_nothing() -> None:
    bursts = Bursts()
    _come(bursts, 31)
    waiting = asyncio.create_task(bursts.over())
    await asyncio.sleep(0)
    assert waiting.done()


async def test_what_comes_in_a_burst_waits_until_it_is_over_and_keeps_its_order() -> None:
    bursts, heard = Bursts(), list[int]()

    async def hear(number: int) -> None:
        await bursts.over()
        heard.append(number)

    _come(bursts, 32)
    hearing = [asyncio.create_task(hear(number)) for number in range(40)]
    await asyncio.sleep(0)
    assert heard == []
    await asyncio.gather(*hearing)
    assert heard == list(range(40))
    await bursts.over()


async def test_a_burst_that_never_ceases_is_answered_all_the_same() -> None:
    bursts, over = Bursts(), asyncio.Event()
    _come(bursts, 32)

    async def never_cease() -> None:
        while not over.is_set():
            bursts.came()
            await asyncio.sleep(0)

    coming = asyncio.create_task(never_cease())
    async with asyncio.timeout(30):
        await bursts.over()
    over.set()
    await coming


async def test_one_who_gave_up_waiting_holds_up_nobody() -> None:
    bursts = Bursts()
    _come(bursts, 32)
    gone, stays = asyncio.create_task(bursts.over()), asyncio.create_task(bursts.over())
    await asyncio.sleep(0)
    gone.cancel()
    async with asyncio.timeout(30):
        await stays
    assert gone.cancelled()
