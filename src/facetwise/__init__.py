"""Cross-validate and ship image classifiers whose label is made of several attributes.

`import facetwise as fw` is light: the verbs of `facetwise.api` are loaded when they are first used, and torch only by
those that train or predict.
"""

from typing import TYPE_CHECKING

from facetwise import api

__version__ = "0.1.0"

if TYPE_CHECKING:
    from facetwise.api import *
    from facetwise.core.project import Project as Project
else:
    __all__ = ["Project", "__version__", *api.__all__]

    def __getattr__(name: str):
        if name == "Project":
            from facetwise.core.project import Project

            return Project
        if name in __all__:
            return getattr(api, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted(__all__)
