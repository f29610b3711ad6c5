"""Cross-validate and ship image classifiers whose label is made of several attributes.

`import facetwise as fw` is light: the verbs below are loaded when they are first used, and torch only by those
that train or predict.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from facetwise.api import (
        ablate,
        augment,
        blend,
        blends,
        calibration,
        check,
        clean,
        compare,
        cuts,
        diff,
        doctor,
        draw_contest,
        export_run,
        fit,
        folds,
        gate,
        import_ledger,
        import_predictions,
        import_run,
        init,
        journal,
        ledger,
        note,
        notes,
        open_project,
        predict,
        prepare,
        record,
        replay,
        rules,
        runs,
        score,
        sent,
        show,
        show_study,
        submit,
        tune,
    )
    from facetwise.core.project import Project

__all__ = [
    "Project",
    "__version__",
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


def __getattr__(name: str) -> Any:
    if name in __all__:
        from facetwise import api

        return getattr(api, name)
    raise AttributeError(f"module 'facetwise' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
