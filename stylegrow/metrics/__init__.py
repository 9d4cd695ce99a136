"""How good a generator is: metrics beside their floors, the same numbers of real images against other real images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stylegrow.metrics.results import Result

if TYPE_CHECKING:
    from stylegrow.metrics.evaluation import Evaluator, evaluate

__all__ = ["Evaluator", "Result", "evaluate"]


def __getattr__(name: str) -> Any:
    """Import what needs torch when it is first used."""
    if name in ("Evaluator", "evaluate"):
        from stylegrow.metrics import evaluation

        return getattr(evaluation, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
