"""How Python's garbage collector works: while the program loads, and in a process that serves for months.

Most of what such a process holds stays: modules, types, settings, tables. A full collection walks through all of it, a tenth
of a second and more in which nobody is answered, and under load one comes every few seconds. What is frozen is passed over.
"""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

# Replies come and go by the hundred and hold few cycles: usual are 700, 10 and 10.
_THRESHOLDS: Final = (10_000, 20, 20)


def loading() -> None:
    """Look for nothing while the program loads, which makes no garbage and takes a tenth longer with looking."""
    gc.disable()


def loaded() -> None:
    """Look again; what was loaded is passed over from now on."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


@contextmanager
def steady() -> Generator[None]:
    """What is there when the block begins is taken to stay until it ends; see ``settle`` for what comes later."""
    before = gc.get_threshold()
    gc.set_threshold(*_THRESHOLDS)
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


def settle() -> None:
    """Look through everything once, and take what is left to stay; libraries are loaded when they are first needed."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()
