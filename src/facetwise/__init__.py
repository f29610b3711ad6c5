"""Cross-validate and ship image classifiers whose label is made of several attributes.

`import facetwise as fw` is light: the verbs below are loaded when they are first used, and torch only by those
that train or predict.
"""

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from facetwise.api import (
        check,
        doctor,
        draw_contest,
        fit,
        folds,
        init,
        open_project,
        predict,
        prepare,
        runs,
        score,
        show,
        submit,
    )
    from facetwise.core.project import Project

__all__ = [
    "Project",
    "__version__",
    "check",
    "doctor",
    "draw_contest",
    "fit",
    "folds",
    "init",
    "open_project",
    "predict",
    "prepare",
    "runs",
    "score",
    "show",
    "submit",
]


class _Package(ModuleType):
    """`submit` names a verb and a subpackage: importing the subpackage must not put it in the verb's place."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in __all__ and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    if name in __all__:
        from facetwise import api

        return getattr(api, name)
    raise AttributeError(f"module 'facetwise' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
