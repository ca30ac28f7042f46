"""The one place where an error becomes a sentence for the person who meets it.

The admin's sentence is the error's own, in the log and in ``/history``, under the same reference.
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

_SENTENCES: tuple[tuple[type[VendorError], str], ...] = (
    (Refused, "I may not answer that one; please ask it differently."),
    (QuotaExhausted, "I have used up what my model may cost for now; an admin can raise the budget."),
    (RateLimited, "My model is being asked too much at once; please try again in a minute."),
    (Unavailable, "My model cannot be reached right now; please try again in a minute."),
    (Denied, "My model does not accept the key that I was given; an admin needs to look at it."),
    (
        ModelNotFound,
        "The model I am set to, {model}, does not exist or is not open to me; an admin can choose another with `/model`.",
    ),
    (
        NotConfigured,
        "The model I am set to, {model}, is not set up here; an admin can see why with `/check`.",
    ),
    (BadRequest, "My model could not work with that message; please try it shorter or in other words."),
)


def for_person(error: Exception, model: str) -> str:
    """What somebody in a chat is told when the reply failed."""
    for kind, sentence in _SENTENCES:
        if isinstance(error, kind):
            return sentence.format(model=model)
    if isinstance(error, VendorError):
        return "My model gave no reply that I could use; please try again."
    if isinstance(error, TimeoutError):
        return "My model took too long; please try again."
    return "Something went wrong on my side; an admin can find it in the log."
