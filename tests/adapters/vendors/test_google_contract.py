"""The real client's exchanges with the local Gemini, judged by what Google publishes of both APIs.

The checker reads OpenAPI; what is published are descriptors of messages and routes for the Gemini API and a discovery
document for the Agent Platform, so both are written as OpenAPI here, as far as chat goes.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import pytest

from adapters.vendors.base import Shot, Turn, VendorError
from tests.adapters.vendors.google_asking import (
    MODEL,
    PIXEL,
    WITH_KEY,
    WITH_PROJECT,
    asking,
    error_of,
    hear,
    question,
)
from tests.servers import gemini
from tests.servers.gemini import ENDPOINT, Reply
from tests.servers.loopback import Exchange

Json = dict[str, Any]
STREAMED: Final = "streamGenerateContent"
# What both APIs answer when they fail: google.rpc.Status as JSON, inside an ``error``.
STATUS: Final[Json] = {
    "type": "object",
    "required": ["error"],
    "additionalProperties": False,
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "status"],
            "additionalProperties": False,
            "properties": {
                "code": {"type": "integer"},
                "message": {"type": "string"},
                "status": {"type": "string", "pattern": "^[A-Z_]+$"},
                "details": {"type": "array", "items": {"type": "object", "required": ["@type"]}},
            },
        }
    },
}
# The checker knows the services of its own folder: it is told of one more, and then run as it is.
RUN: Final = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); import check_contract as checker;"
    "checker.SPECS['google'] = sys.argv.pop(1); checker.PREFIX['google'] = r'(?!)'; sys.exit(checker.main(sys.argv[1:]))"
)


def schemas(found: Json) -> Json:
    """The published messages as JSON schemas that refer to each other by their full address, and allow nothing else."""

    def whole(node: Any) -> Any:
        if isinstance(node, list):
            return [whole(one) for one in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            return {"$ref": f"#/components/schemas/{node['$ref']}"}
        said = ("id", "readOnly", "format")  # which are names of properties too
        kept = {
            key: whole(value) for key, value in node.items() if key not in said or isinstance(value, dict)
        }
        return {} if kept.get("type") == "any" else kept

    return {
        name: whole(one) | ({"additionalProperties": False} if "properties" in one else {})
        for name, one in found.items()
    }


def operation(path: str, query: Iterable[str], asked: str | None, answered: str) -> Json:
    """One operation, whose answer is streamed or whole."""
    kind = "text/event-stream" if path.endswith(STREAMED) else "application/json"
    content = {kind: {"schema": {"$ref": f"#/components/schemas/{answered}"}}}
    made: Json = {
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in re.findall(r"\{(\w+)\}", path)
        ]
        + [{"name": name, "in": "query", "schema": {"type": "string"}} for name in query],
        "responses": {
            "200": {"content": content},
            "4XX": {"content": {"application/json": {"schema": STATUS}}},
            "5XX": {"content": {"application/json": {"schema": STATUS}}},
        },
    }
    if asked is not None:
        schema = {"$ref": f"#/components/schemas/{asked}"}
        made["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return made


def developer_api(folder: Path) -> Json:
    """The Gemini API; the client asks v1, whose messages are those of v1beta as far as chat goes."""
    found = json.loads((folder / "generativelanguage.v1beta.proto.json").read_text("utf-8"))
    paths: Json = {}
    for route in found["routes"]:
        if route["rpc"] not in ("StreamGenerateContent", "ListModels"):
            continue
        path = re.sub(r"\{(\w+)=(\w+)/\*\}", r"\2/{\1}", route["uri"]).replace("/v1beta/", "/v1/")
        asked = found["schemas"][f"{route['rpc']}Request"] if route["rpc"] == "ListModels" else {}
        answered = "ListModelsResponse" if route["rpc"] == "ListModels" else "GenerateContentResponse"
        query = [*asked.get("properties", {}), "alt"]
        body = "GenerateContentRequest" if route.get("body") else None
        paths.setdefault(path, {})[route["method"]] = operation(path, query, body, answered)
    return {"paths": paths, "components": {"schemas": schemas(found["schemas"])}}


def agent_platform(folder: Path, version: str = "v1beta1") -> Json:
    """The Agent Platform, of the version that the client asks."""
    found = json.loads((folder / f"aiplatform.{version}.discovery.json").read_text("utf-8"))
    paths: Json = {}

    def walk(resource: Json) -> None:
        for method in resource.get("methods", {}).values():
            kind = method["id"].rpartition(".")[2]
            if kind == STREAMED or method["id"] == "aiplatform.publishers.models.list":
                path = f"/{method['flatPath']}"
                own = [name for name, one in method["parameters"].items() if one["location"] == "query"]
                asked = method.get("request", {}).get("$ref")
                made = operation(path, [*own, *found["parameters"]], asked, method["response"]["$ref"])
                paths.setdefault(path, {})[method["httpMethod"].lower()] = made
        for inner in resource.get("resources", {}).values():
            walk(inner)

    walk(found)
    return {"paths": paths, "components": {"schemas": schemas(found["schemas"])}}


def judged(contracts: Path, contract: Json, exchanges: list[Exchange], folder: Path) -> tuple[int, str]:
    """The checker's exit status and words on the exchanges."""
    recording, written = folder / "recording.jsonl", folder / "google.json"
    recording.write_text("".join(json.dumps(one) + "\n" for one in exchanges), "utf-8")
    written.write_text(json.dumps(contract), "utf-8")
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(contracts), str(written), str(recording)],
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def contracts(shared: Path) -> Path:
    """The published contracts and their checker."""
    path = shared / "contracts"
    if not (path / "google").is_dir():
        pytest.skip(
            "needs the published contracts in ../shared/contracts, which are not beside this checkout"
        )
    return path


ASKED = question(
    "Hello!",
    Turn("assistant", "Hi."),
    Turn("user", "What is this? \ud83d", (PIXEL,)),
    system="You are a pirate.",
    shots=(Shot("Who are you?", "An understudy.", "1"),),
    temperature=0.5,
    max_output_tokens=99,
)
REPLIES = (
    Reply(),
    Reply(thoughts=("Hm.",), usage={"cachedContentTokenCount": 5}),
    Reply((), finish="MAX_TOKENS"),
    Reply(finish="SAFETY"),
    Reply(usage=None),
)
FAILURES = (
    Reply(blocked="PROHIBITED_CONTENT"), Reply((), finish="RECITATION"), gemini.INVALID_KEY, gemini.FORBIDDEN,
    gemini.PER_MINUTE, gemini.PER_DAY, gemini.BROKEN, gemini.OVERLOADED, gemini.TOO_LONG,
)  # fmt: skip


async def exchanges_of(project: bool) -> list[Exchange]:
    """Everything that the adapter does, with one flavour."""
    async with asking(WITH_PROJECT if project else WITH_KEY) as (server, model):
        server.most = 4
        server.script.extend(REPLIES)
        for _ in REPLIES:
            await hear(model, ASKED)
        server.script.extend(FAILURES)
        for _ in FAILURES:
            assert isinstance(await error_of(model), VendorError)
        await hear(model, question(""))
        await error_of(model, question(model="gemini-none"))
        await model.models()
        if project:
            await hear(model, question(model=ENDPOINT))
            server.script.extend([Reply(finish="CONTINUATION", token="bW9yZQ=="), Reply()])
            await hear(model)
        return server.exchanges


async def test_the_gemini_api_as_published(contracts: Path, tmp_path: Path) -> None:
    exchanges = await exchanges_of(project=False)
    status, words = judged(contracts, developer_api(contracts / "google"), exchanges, tmp_path)
    assert status == 0, words
    assert f"{len(exchanges)} exchanges, 2 operations, 0 violations" in words


async def test_the_agent_platform_as_published(contracts: Path, tmp_path: Path) -> None:
    exchanges = await exchanges_of(project=True)
    status, words = judged(contracts, agent_platform(contracts / "google"), exchanges, tmp_path)
    assert status == 0, words
    assert f"{len(exchanges)} exchanges, 3 operations, 0 violations" in words


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"request_body": {"contents": [{"role": "user", "parts": [{"txt": "hello"}]}]}}, "txt"),
        ({"request_body": {"contents": "hello"}}, "not of type 'array'"),
        ({"response_body": 'data: {"candidates": [{"finishReason": "WELL"}]}\r\n\r\n'}, "WELL"),
        ({"url": f"http://127.0.0.1/v1/models/{MODEL}:streamGenerateContents"}, "not in the google contract"),
    ],
)
async def test_the_judge_is_awake(contracts: Path, tmp_path: Path, change: Json, complaint: str) -> None:
    async with asking() as (server, model):
        await hear(model)
        wrong = server.exchanges[0] | change
    status, words = judged(contracts, developer_api(contracts / "google"), [wrong], tmp_path)
    assert status == 1, words
    assert complaint in words
