"""What slack-sdk asks and the local Slack answers, judged by Slack's own description of the methods that it knows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.servers.slack.stand_in import Birds


async def test_exchanges_keep_the_contract(birds: Birds, shared: Path, tmp_path: Path) -> None:
    client, ada = birds.client(), birds.ada
    birds.team.user_group("trainers", ada)
    said = await ada.says(birds.general, "hello", mention=birds.world.bot)
    where: dict[str, Any] = {"channel": birds.general.id}
    await client.auth_test()
    made = await client.chat_postMessage(
        **where,
        text="tweet",
        thread_ts=said.ts,
        blocks=[{"type": "section", "text": {"type": "mrkdwn", "text": "tweet"}}],
    )
    await client.chat_update(**where, ts=str(made["ts"]), text="tweet tweet")
    await client.chat_postEphemeral(**where, user=ada.id, text="psst")
    await client.reactions_add(**where, timestamp=said.ts, name="+1")
    await client.conversations_history(**where, limit=10)
    await client.conversations_replies(**where, ts=said.ts)
    await client.conversations_info(**where)
    await client.conversations_members(**where)
    await client.conversations_open(users=ada.id)
    await client.users_info(user=ada.id)
    await client.usergroups_list()
    await client.views_publish(user_id=ada.id, view={"type": "home", "blocks": [{"type": "divider"}]})
    await client.chat_delete(**where, ts=str(made["ts"]))
    checker = shared / "contracts" / "check_contract.py"
    known: dict[str, Any] = json.loads((checker.parent / "slack" / "web_openapi_v2.json").read_text())[
        "paths"
    ]
    kept = [
        one
        for one in birds.world.api_exchanges
        if "/" + one["url"].partition("/api/")[2].partition("?")[0] in known
    ]
    assert len(kept) >= 12
    recording = tmp_path / "slack.jsonl"
    recording.write_text("".join(json.dumps(one) + "\n" for one in kept))
    found = subprocess.run(
        [sys.executable, str(checker), str(recording), "--service", "slack"], capture_output=True, text=True
    )
    assert found.returncode == 0, found.stdout + found.stderr
