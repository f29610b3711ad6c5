"""The Python verbs: every step of the job as a function. `import facetwise as fw` gives all of them.

    project = fw.init("my-contest", dataset="path/to/dataset")
    fw.check(project)
    fw.folds(project)
    run = fw.fit(project, "cpu-tiny", settings=["optimizer.lr=1e-3"])
    print(fw.show(project, run.id).scorecard.macro_f1)
    fw.submit(project, run.id).folder.csv_file

Every verb takes an opened `Project` or a folder in one. Errors are `facetwise.core.errors.FacetwiseError`.
"""

from typing import TYPE_CHECKING

_MODULES = {
    "data": ("init", "open_project", "draw_contest", "check", "folds", "prepare"),
    "training": ("augment", "fit", "predict", "ablate", "tune"),
    "results": ("runs", "show", "compare", "diff", "studies"),
    "decisions": ("rules", "cuts", "calibration"),
    "labels": ("suspects", "accept_labels", "correct_label", "show_labels", "score_labels"),
    "blending": ("blend", "blends"),
    "submissions": ("submit", "gate", "score", "forecast", "plan", "final", "leaderboard"),
    "ledgers": ("ledger", "sent", "record", "import_ledger", "replay"),
    "team": ("export_run", "import_run", "import_predictions", "note", "notes", "journal"),
    "upkeep": ("doctor", "clean"),
}
"""Module here -> its verbs, both in the order of the job; the command line has modules of the same names."""
_MODULE_OF = {verb: module for module, verbs in _MODULES.items() for verb in verbs}

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
    __all__ = list(_MODULE_OF)

    def __getattr__(name: str):
        """A verb, from the module that is loaded when the first of its verbs is used."""
        if name not in _MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
