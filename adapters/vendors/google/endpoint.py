"""Where Google is reached, with which credentials, and how long it may keep us waiting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from adapters.vendors.prices import Price


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One account: a key of the Gemini API or, when ``project`` is set, that project of the Agent Platform.

    A project is entered with ``credentials``, else with what google.auth finds on this machine, and never with
    ``api_key``. An empty ``base_url`` is the official client's default (GOOGLE_GEMINI_BASE_URL, GOOGLE_VERTEX_BASE_URL), an
    empty ``location`` is ``global``. Connecting may take ``connect_seconds``, the first words ``first_seconds``, each next
    ones ``silence_seconds``. ``context_tokens`` holds for a model whose own limit is not known.

    Tuning needs a project, a ``bucket`` of Cloud Storage for its files, and a region: ``tuning_location``, else
    ``location``. An empty ``storage_url`` is the storage client's default (STORAGE_EMULATOR_HOST, API_ENDPOINT_OVERRIDE).
    """

    vendor: str = "google"
    api_key: str = field(default="", repr=False)
    project: str = ""
    location: str = ""
    base_url: str = ""
    prices: Mapping[str, Price] = field(default_factory=dict[str, Price])
    context_tokens: int = 1_000_000
    connect_seconds: float = 10
    first_seconds: float = 60
    silence_seconds: float = 60
    credentials: object | None = field(default=None, repr=False)
    bucket: str = ""
    tuning_location: str = ""
    storage_url: str = ""
