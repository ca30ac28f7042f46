"""Files that trainers read: rows become lines of a vendor's format, lines become rows, and whole files are checked."""

from training.formats.base import Format, Limits, Unfit
from training.formats.registry import FORMATS, file_name, fitting, parse, render
from training.formats.validate import Checked, Checking, Problem, Verdict, validate, verdict

__all__ = [
    "FORMATS",
    "Checked",
    "Checking",
    "Format",
    "Limits",
    "Problem",
    "Unfit",
    "Verdict",
    "file_name",
    "fitting",
    "parse",
    "render",
    "validate",
    "verdict",
]
