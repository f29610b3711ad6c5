"""The current state of a study, even while a process works on it: nothing is locked, trained or changed."""

from __future__ import annotations

from facetwise.core.errors import InputError, did_you_mean
from facetwise.core.files.settings import parse
from facetwise.core.project import Project
from facetwise.recipe import Recipe
from facetwise.study.ablation import Ablation, build_ablation
from facetwise.study.record import StudyFolder, list_studies
from facetwise.study.search import Search, build_search
from facetwise.study.space import read_space
from facetwise.study.trials import Trials

_BEGIN = "begin one: `facetwise ablate RECIPE --try SETTING`, or `facetwise tune RECIPE --space FILE --trials NUMBER`"


def find_study(project: Project, name: str = "last") -> StudyFolder:
    """The study called `name`, or the last one that was changed; raises InputError when there is none."""
    folders = list_studies(project.workspace)
    if not folders:
        raise InputError(f"{project.workspace.studies}: no studies yet", hint=_BEGIN)
    found = {folder.name: folder for folder in folders}
    if name not in found and name == "last":
        return max(folders, key=_changed)
    if name not in found:
        raise InputError(f"no study is called `{name}`", hint=did_you_mean(name, found))
    return found[name]


def build_study(project: Project, folder: StudyFolder) -> Ablation | Search:
    """The current table of a study; raises ArtefactError when it is damaged, or an ablation without a finished base."""
    record = folder.record()
    if record.kind == "ablation":
        return build_ablation(project, folder)
    return build_search(project, folder, open_trials(folder))


def open_trials(folder: StudyFolder) -> Trials:
    """The trials of a search; raises FacetwiseError when optuna is not installed."""
    identity = folder.record().identity
    return Trials(folder, read_space(identity.space, parse(Recipe, identity.recipe, str(folder.record_file))))


def _changed(folder: StudyFolder) -> float:
    files = (folder.record_file, folder.trials_file)
    return max((path.stat().st_mtime for path in files if path.is_file()), default=0.0)
