"""How good a generator is: metrics beside their floors, the same numbers of real images against other real images."""

from typing import TYPE_CHECKING

from progan.lazy import lazy_names
from stylegrow.metrics.results import Result

if TYPE_CHECKING:
    from stylegrow.metrics.evaluation import Evaluator, evaluate

__all__ = ["Evaluator", "Result", "evaluate"]
__getattr__ = lazy_names(__name__, dict.fromkeys(("Evaluator", "evaluate"), "stylegrow.metrics.evaluation"))
