"""Cross-validate and ship image classifiers whose label is made of several attributes.

`import facetwise as fw` is light: the verbs below are loaded when they are first used, and torch only by those
that train or predict.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from facetwise.api import (
        ablate,
        accept_labels,
        augment,
        blend,
        blends,
        calibration,
        check,
        clean,
        compare,
        correct_label,
        cuts,
        diff,
        doctor,
        draw_contest,
        export_run,
        final,
        fit,
        folds,
        forecast,
        gate,
        import_ledger,
        import_predictions,
        import_run,
        init,
        journal,
        leaderboard,
        ledger,
        note,
        notes,
        open_project,
        plan,
        predict,
        prepare,
        record,
        replay,
        rules,
        runs,
        score,
        score_labels,
        sent,
        show,
        show_labels,
        show_study,
        submit,
        suspects,
        tune,
    )
    from facetwise.core.project import Project

__all__ = [
    "Project",
    "__version__",
    "ablate",
    "accept_labels",
    "augment",
    "blend",
    "blends",
    "calibration",
    "check",
    "clean",
    "compare",
    "correct_label",
    "cuts",
    "diff",
    "doctor",
    "draw_contest",
    "export_run",
    "final",
    "fit",
    "folds",
    "forecast",
    "gate",
    "import_ledger",
    "import_predictions",
    "import_run",
    "init",
    "journal",
    "leaderboard",
    "ledger",
    "note",
    "notes",
    "open_project",
    "plan",
    "predict",
    "prepare",
    "record",
    "replay",
    "rules",
    "runs",
    "score",
    "score_labels",
    "sent",
    "show",
    "show_labels",
    "show_study",
    "submit",
    "suspects",
    "tune",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from facetwise import api

        return getattr(api, name)
    raise AttributeError(f"module 'facetwise' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
