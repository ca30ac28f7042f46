"""The guard that keeps tests on this machine does its work."""

import asyncio
import os
import socket
from pathlib import Path

import pytest

from tests.conftest import OutsideConnection

ELSEWHERE = "192.0.2.1"  # reserved for documentation: nobody answers there


async def test_reaching_another_machine_is_an_error(offline: list[str]) -> None:
    with pytest.raises(OutsideConnection):
        await asyncio.open_connection(ELSEWHERE, 80)
    with socket.socket() as plain, pytest.raises(OutsideConnection):
        plain.connect((ELSEWHERE, 80))
    with pytest.raises(OutsideConnection):
        socket.getaddrinfo("understudy.invalid", 80)
    assert len(offline) == 3
    offline.clear()  # they were meant


async def test_this_machine_can_be_reached() -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "localhost", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        reader, writer = await asyncio.open_connection("localhost", port)
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


def test_the_data_directory_is_empty_and_nothing_secret_is_set(data_dir: Path) -> None:
    assert os.environ["UNDERSTUDY_DATA_DIR"] == str(data_dir)
    assert list(data_dir.iterdir()) == []
    assert not {"DISCORD_TOKEN", "SLACK_BOT_TOKEN", "OPENAI_API_KEY", "GEMINI_API_KEY"} & os.environ.keys()
