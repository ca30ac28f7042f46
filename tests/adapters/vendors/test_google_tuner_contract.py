"""The real clients' exchanges in tuning, judged by what Google publishes of the Agent Platform and of Cloud Storage.

Metadata contexts and TensorBoards are not among the published excerpts, so reading curves is not judged.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from adapters.vendors.base import VendorError
from adapters.vendors.tuning import Hyperparameters
from tests.adapters.vendors import google_bench
from tests.adapters.vendors.google_bench import GoogleBench
from tests.adapters.vendors.test_google_contract import Json, contracts, judged, operation, schemas
from tests.adapters.vendors.tuner_contract import KEY, OTHER_KEY, WHY, plan
from tests.servers import gcs, gemini_tuning
from tests.servers.google_faults import Fault
from tests.servers.loopback import Exchange

__all__ = ["contracts"]

TUNING: Final = (
    "tuningJobs.create", "tuningJobs.get", "tuningJobs.list", "tuningJobs.cancel", "locations.endpoints.get",
    "endpoints.delete", "endpoints.undeployModel", "models.get", "models.delete", "locations.operations.wait",
)  # fmt: skip
STORAGE: Final = ("objects.get", "objects.insert", "objects.delete")
# The older API says more of each error, and in other words.
STORAGE_STATUS: Final[Json] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "errors"],
            "additionalProperties": False,
            "properties": {
                "code": {"type": "integer"},
                "message": {"type": "string"},
                "errors": {
                    "type": "array",
                    "items": {"type": "object", "required": ["reason", "domain", "message"]},
                },
            },
        }
    },
}


def numbers_as_asked(node: Any) -> Any:
    """A 64-bit number is published as text, and taken as a number too."""
    if isinstance(node, list):
        return [numbers_as_asked(one) for one in node]
    if not isinstance(node, dict):
        return node
    kept = {key: numbers_as_asked(value) for key, value in node.items()}
    if kept.get("type") == "string" and kept.get("format") in ("int64", "uint64"):
        return {"type": ["string", "integer"]}
    return kept


def published(found: Json, names: tuple[str, ...], prefix: str) -> Json:
    """The named methods of a discovery document as OpenAPI."""
    paths: Json = {}

    def walk(resource: Json) -> None:
        for method in resource.get("methods", {}).values():
            if not method["id"].endswith(names):
                continue
            parameters = method.get("parameters", {})
            own = [name for name, one in parameters.items() if one["location"] == "query"]
            asked, answered = (
                method.get("request", {}).get("$ref"),
                method.get("response", {}).get("$ref", ""),
            )
            made = operation(prefix, [*own, *found["parameters"]], asked, answered)
            path = prefix + method.get("flatPath", method["path"])
            made["parameters"] += [
                {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
                for name, one in parameters.items()
                if one["location"] == "path" and f"{{{name}}}" in path
            ]
            if not answered:
                made["responses"] |= {"204": {"description": "Nothing is left to say."}}
            if asked and not found["schemas"][asked].get("properties"):
                made["requestBody"]["required"] = False  # an empty message may be left out
            if asked == "Object":  # what is uploaded travels beside its description
                uploaded = [
                    *made["parameters"],
                    {"name": "uploadType", "in": "query", "schema": {"type": "string"}},
                ]
                upload = {"parameters": uploaded, "responses": made["responses"]}
                paths.setdefault(f"/upload{path}", {})["post"] = upload
            paths.setdefault(path, {})[method["httpMethod"].lower()] = made
        for inner in resource.get("resources", {}).values():
            walk(inner)

    walk(found)
    return {"paths": paths, "components": {"schemas": schemas(numbers_as_asked(found["schemas"]))}}


async def a_life(bench: GoogleBench) -> None:
    """Everything that the tuner does, with one job that ends well and others that do not."""
    one, server = bench.tuner(adapter_size=4), bench.server
    right = await plan(bench, one)
    again = await one.upload(bench.file("train"), KEY)
    chosen = Hyperparameters(epochs=2, learning_rate=0.5, beta=0.2)
    assert again == right.train
    job = await one.create(replace(right, hyperparameters=chosen))
    server.page = 1
    lost = await one.create(replace(right, key=OTHER_KEY, validation=None))
    assert await one.find(KEY) is not None
    assert await one.find("nobody") is None
    server.queue(job.id)
    server.run(job.id)
    await one.events(job.id)
    server.stage(job.id, "POST_PROCESSING")
    await one.poll(job.id)
    server.succeed(job.id)
    for checkpoint in (await one.poll(job.id)).checkpoints:
        await one.delete_model(checkpoint.model)
        await one.delete_model(checkpoint.model)
    server.fail(lost.id, WHY)
    await one.poll(lost.id)
    stopped = await one.create(replace(right, key="third"))
    await one.cancel(stopped.id)
    await one.poll(stopped.id)
    server.vanish(stopped.id)
    for _ in range(2):
        await one.delete_file(right.train.id)
    server.trouble.faults += [
        Fault(gemini_tuning.NO_QUOTA, "POST"),
        Fault(gemini_tuning.NO_PERMISSION, "POST"),
    ]
    bench.storage.denied = gcs.refused(403, "forbidden", "No storage.objects.create access.")
    asks: list[Callable[[], Awaitable[object]]] = [
        lambda: one.poll(stopped.id),
        lambda: one.create(right),
        lambda: one.create(right),
        lambda: one.create(replace(right, base_model="gemini-none")),
        lambda: one.upload(bench.file("train"), KEY),
    ]
    for ask in asks:
        with pytest.raises(VendorError):
            await ask()


def judgeable(exchanges: list[Exchange]) -> list[Exchange]:
    """Without those that nothing is published about, and without the bodies of uploads."""
    known = [
        one
        for one in exchanges
        if not any(word in one["url"] for word in ("/metadataStores/", "/tensorboards/"))
    ]
    return [
        {**one, "request_body": None} if "/upload/" in one["url"] else one
        for one in ({key: value for key, value in one.items() if key != "request_parts"} for one in known)
    ]


@pytest.mark.parametrize("method", ["sft", "dpo"])
async def test_the_agent_platform_as_published(contracts: Path, tmp_path: Path, method: Any) -> None:
    async with google_bench.bench(tmp_path, method) as bench:
        await a_life(bench)
        exchanges = judgeable(bench.server.exchanges)
    found = json.loads((contracts / "google" / "aiplatform.v1beta1.discovery.json").read_text("utf-8"))
    status, words = judged(contracts, published(found, TUNING, "/"), exchanges, tmp_path)
    assert status == 0, words
    assert f"{len(exchanges)} exchanges, {len(TUNING)} operations, 0 violations" in words


async def test_cloud_storage_as_published(contracts: Path, tmp_path: Path) -> None:
    async with google_bench.bench(tmp_path) as bench:
        await a_life(bench)
        exchanges = judgeable(bench.storage.exchanges)
    found = json.loads((contracts / "google" / "storage.v1.discovery.json").read_text("utf-8"))
    contract = published(found, STORAGE, "/storage/v1/")
    for methods in contract["paths"].values():
        for made in methods.values():
            for code in ("4XX", "5XX"):
                made["responses"][code] = {"content": {"application/json": {"schema": STORAGE_STATUS}}}
    status, words = judged(contracts, contract, exchanges, tmp_path)
    assert status == 0, words
    assert f"{len(exchanges)} exchanges, {len(STORAGE)} operations, 0 violations" in words


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"request_body": {"baseModels": "gemini-2.5-pro"}}, "baseModels"),
        ({"request_body": {"supervisedTuningSpec": {"hyperParameters": {"epochCount": 1.5}}}}, "1.5"),
        ({"response_body": {"state": "JOB_STATE_DONE"}}, "JOB_STATE_DONE"),
        ({"url": "http://127.0.0.1/v1beta1/projects/p/locations/l/tunings"}, "not in the google contract"),
    ],
)
async def test_the_judge_is_awake(contracts: Path, tmp_path: Path, change: Json, complaint: str) -> None:
    async with google_bench.bench(tmp_path) as bench:
        one = bench.tuner()
        await one.create(await plan(bench, one))
        wrong = bench.server.exchanges[0] | change
    found = json.loads((contracts / "google" / "aiplatform.v1beta1.discovery.json").read_text("utf-8"))
    status, words = judged(contracts, published(found, TUNING, "/"), [wrong], tmp_path)
    assert status == 1, words
    assert complaint in words
