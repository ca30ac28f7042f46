"""The one place where a vendor's error becomes a sentence for the person who meets it, and one for the admin.

The error's own words are in the log and in ``/history``, under the reference that the person is given.
"""

from __future__ import annotations

from adapters.vendors.base import (
    BadRequest,
    Denied,
    ModelNotFound,
    NotConfigured,
    QuotaExhausted,
    RateLimited,
    Refused,
    Unavailable,
    VendorError,
)

# A kind of error, what the person reads, and what the admin reads after the vendor's own words.
_SENTENCES: tuple[tuple[type[VendorError], str, str], ...] = (
    (Refused, "I may not answer that one; please ask it differently.", ""),
    (
        QuotaExhausted,
        "I have used up what my model may cost for now; an admin can raise the budget.",
        "Raise the budget at the vendor, or choose another model with `/model`.",
    ),
    (
        RateLimited,
        "My model is being asked too much at once; please try again in a minute.",
        "If it goes on, raise the limit at the vendor or name a model in `models.fallback`.",
    ),
    (
        Unavailable,
        "My model cannot be reached right now; please try again in a minute.",
        "If it goes on, look at the vendor's status page or name a model in `models.fallback`.",
    ),
    (
        Denied,
        "My model does not accept the key that I was given; an admin needs to look at it.",
        "Give me a key that is valid for it and start me again, or choose another model with `/model`.",
    ),
    (
        ModelNotFound,
        "The model I am set to, {model}, does not exist or is not open to me; an admin can choose another with `/model`.",
        "`/models` lists those there are; `/model` chooses one.",
    ),
    (
        NotConfigured,
        "The model I am set to, {model}, is not set up here; an admin can see why with `/check`.",
        "Set it up and start me again, or choose another model with `/model`.",
    ),
    (BadRequest, "My model could not work with that message; please try it shorter or in other words.", ""),
)


def for_person(error: Exception, model: str) -> str:
    """What somebody in a chat is told when the reply failed."""
    for kind, sentence, _ in _SENTENCES:
        if isinstance(error, kind):
            return sentence.format(model=model)
    if isinstance(error, VendorError):
        return "My model gave no reply that I could use; please try again."
    if isinstance(error, TimeoutError):
        return "My model took too long; please try again."
    return "Something went wrong on my side; an admin can find it in the log."


def for_admin(error: VendorError, model: str) -> str:
    """What the admins of a workspace are told: what happened, in the vendor's own words, and what to do."""
    said = str(error).strip().rstrip(".")
    todo = next(
        (todo for kind, _, todo in _SENTENCES if isinstance(error, kind)),
        "If it goes on, choose another model with `/model`.",
    )
    return f"{model} does not answer: {said}. {todo}".rstrip()


def for_admin_of_release(error: VendorError, avatar: str, number: int, model: str, instead: str) -> str:
    """What the admins are told of a release whose model does not answer; ``instead`` is what does, empty for nothing."""
    said = str(error).strip().rstrip(".")
    what = "is gone" if isinstance(error, ModelNotFound) else "does not answer"
    answers = f"{instead} answers in its place." if instead else "Nothing answered in its place."
    lasting = "" if isinstance(error, ModelNotFound) else "If it goes on, "
    go = f"{lasting}`/finetune rollback` takes {avatar} back to the release before it."
    return f"{model}, with which release {number} of {avatar} answers, {what}: {said}. {answers} {go}"
