"""The lie of a random split: by image it promises far more than comes true.

What comes true is the score of the run by person on other people. Contests of seeds 0 to 2 gave 0.83, 0.92, 0.90 by
image and 0.51, 0.41, 0.53 in truth: 0.40 more, and four standard deviations of it are 0.39. That a split by person
keeps its word is nothing that one network could show: its forecast is tried on many tables in `test_heldout.py`.
"""

import pytest

import facetwise as fw
from facetwise.data.made.contest import SynthSpec, draw_contest

RECIPE = """\
input = { height = 48, width = 36 }
model = { backbone = "small_resnet", args = { stem = 16, widths = [24, 48, 96], depths = [1, 1, 1] } }
optimizer = { name = "adamw", lr = 3e-3 }
schedule = { name = "cosine", warmup = "1ep" }
folds = { plan = "holdout" }
train = { length = "14ep", batch_size = 32, device = "cpu" }
"""


@pytest.mark.slow
def test_a_split_by_image_lies(tmp_path):
    contest = draw_contest(
        tmp_path / "contest", SynthSpec(train_people=150, eval_people=60, height=64, width=48), workers=1
    )
    project = fw.init(tmp_path / "project", tmp_path / "contest")
    (tmp_path / "r.toml").write_text(RECIPE, encoding="utf-8")
    fw.check(project, workers=1)
    fw.folds(project, name="person", num_folds=4)
    fw.folds(project, name="unsafe-image", num_folds=4, unsafe_split="image")
    for name in ("person", "unsafe-image"):
        fw.fit(project, tmp_path / "r.toml", settings=[f"folds.name={name}"])
    fw.submit(project, "1", yes=True)
    true = fw.score(project, labels=contest.labels).macro_f1
    assert fw.show(project, "2").scorecard.macro_f1 > true
