"""The Python verbs: every step of the job as a function. `import facetwise as fw` gives all of them.

    project = fw.init("my-contest", dataset="path/to/dataset")
    fw.check(project)
    fw.folds(project)
    run = fw.fit(project, "cpu-tiny", settings=["optimizer.lr=1e-3"])
    print(fw.show(project, run.id).scorecard.macro_f1)
    fw.submit(project, run.id).folder.csv_file

Every verb takes an opened `Project` or a folder in one. Errors are `facetwise.core.errors.FacetwiseError`.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from facetwise.api.options import VERBS

ROOMS = ("data", "training", "results", "decisions", "labels", "blending", "submissions", "ledgers", "team", "upkeep")
"""The modules here in the order of the job, light all of them; the command line has modules of the same names."""

if TYPE_CHECKING:
    from facetwise.api.blending import *
    from facetwise.api.data import *
    from facetwise.api.decisions import *
    from facetwise.api.labels import *
    from facetwise.api.ledgers import *
    from facetwise.api.results import *
    from facetwise.api.submissions import *
    from facetwise.api.team import *
    from facetwise.api.training import *
    from facetwise.api.upkeep import *
else:
    for _room in ROOMS:
        import_module(f"{__name__}.{_room}")
    globals().update(VERBS)
    __all__ = list(VERBS)
