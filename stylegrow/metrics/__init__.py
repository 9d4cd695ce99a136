"""How good a generator is: numbers beside their floors, real pictures against other real pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stylegrow.common.errors import InputError
from stylegrow.metrics.results import Result

if TYPE_CHECKING:
    from stylegrow.metrics.evaluation import Evaluator, evaluate

__all__ = ["Evaluator", "InputError", "Result", "evaluate"]


def __getattr__(name: str) -> Any:
    """What needs torch is imported when it is first used."""
    if name in ("Evaluator", "evaluate"):
        from stylegrow.metrics import evaluation

        return getattr(evaluation, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
