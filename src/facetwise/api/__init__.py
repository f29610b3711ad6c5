"""The Python verbs: every step of the job as a function. `import facetwise as fw` gives all of them.

    project = fw.init("my-contest", dataset="path/to/dataset")
    fw.check(project)
    fw.folds(project)
    run = fw.fit(project, "cpu-tiny", settings=["optimizer.lr=1e-3"])
    print(fw.show(project, run.id).scorecard.macro_f1)
    fw.submit(project, run.id).folder.csv_file

Every verb takes an opened `Project` or a folder in one. Errors are `facetwise.core.errors.FacetwiseError`.
"""

from facetwise.api.blending import blend, blends
from facetwise.api.deciding import calibration, rules
from facetwise.api.differences import diff
from facetwise.api.diaries import journal, note, notes
from facetwise.api.projects import check, doctor, draw_contest, folds, init, open_project, prepare
from facetwise.api.results import cuts, runs, score, show, submit
from facetwise.api.sending import gate, import_ledger, ledger, record, replay, sent
from facetwise.api.studies import ablate, clean, compare, show_study, tune
from facetwise.api.training import augment, fit, predict
from facetwise.api.travelling import export_run, import_predictions, import_run
from facetwise.core.project import Project

__all__ = [
    "Project",
    "ablate",
    "augment",
    "blend",
    "blends",
    "calibration",
    "check",
    "clean",
    "compare",
    "cuts",
    "diff",
    "doctor",
    "draw_contest",
    "export_run",
    "fit",
    "folds",
    "gate",
    "import_ledger",
    "import_predictions",
    "import_run",
    "init",
    "journal",
    "ledger",
    "note",
    "notes",
    "open_project",
    "predict",
    "prepare",
    "record",
    "replay",
    "rules",
    "runs",
    "score",
    "sent",
    "show",
    "show_study",
    "submit",
    "tune",
]
