"""Numbers that are none, or more than anything here has: said in a sentence, on every database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from storage.database import Database
from tests.bot.theatre import ADA, play


@pytest.mark.parametrize(
    ("command", "given", "said"),
    [
        ("finetune status", {"run": 2**31 - 1}, "There is no training run 2147483647"),
        ("finetune status", {"run": 2**31}, "`run` is at most 2,147,483,647."),
        ("finetune status", {"run": 10**30}, "`run` is at most 2,147,483,647."),
        ("finetune cancel", {"name": "²"}, "Nothing is being built"),
        ("finetune cancel", {"name": "9" * 30}, "Nothing is being built"),
        ("finetune rollback", {"to": 10**12}, "`to` is at most 2,147,483,647."),
        ("finetune trace", {"example": 10**12}, "`example` is at most 2,147,483,647."),
        ("finetune show", {"dataset": "x:99999999999999999999"}, "There is no dataset 'x:9999"),
        ("finetune show", {"dataset": "x:²"}, "There is no dataset 'x:²'"),
        ("finetune build", {"prompt": "²"}, "has no prompt version ²"),
        ("finetune build", {"prompt": "9" * 30}, "has no prompt version 999"),
    ],
)
async def test_what_no_number_can_be_is_told(
    database: Database, tmp_path: Path, command: str, given: dict[str, Any], said: str
) -> None:
    answer = await play(database, tmp_path).command(command, who=ADA, **given)
    assert not answer.ok
    assert said in answer.text
