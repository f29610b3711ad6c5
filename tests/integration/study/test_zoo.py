"""A zoo: every weight of the shelf with every head, features once a backbone, and a blend of all of them."""

import json

import pytest
import timm
from safetensors.torch import save_file
from typer.testing import CliRunner

import facetwise as fw
from facetwise.cli.main import app
from facetwise.core.errors import InputError, SettingError

QUICK = ("model.args={}", "model.freeze=backbone", "augment=[]", "folds.plan=3")


@pytest.fixture(autouse=True)
def shelf(tmp_path, monkeypatch):
    monkeypatch.setenv("FACETWISE_WEIGHTS", str(tmp_path / "shelf"))


def test_one_command_trains_every_head_on_every_backbone_and_blends_them(tmp_path, own):
    with pytest.raises(InputError, match=r"no weights to start from: .* is empty") as empty:
        fw.zoo(own.project, own.recipe, settings=QUICK)
    assert "--weights hub:BACKBONE" in empty.value.hint
    for backbone in ("test_efficientnet", "test_resnet"):
        file = tmp_path / f"{backbone}.safetensors"
        save_file(timm.create_model(backbone, num_classes=3).state_dict(), file)
        fw.add_weights(file, backbone=backbone)
    words = ["--project", str(own.project), "zoo", str(own.recipe), "--name", "zoo", "--json"]
    shown = CliRunner().invoke(app, [*words, *(w for s in QUICK for w in ("--set", s))], catch_exceptions=False)
    assert shown.exit_code == 0, shown.output
    view = json.loads(shown.stdout)
    other = "model.backbone=test_resnet; model.weights=shelf:test_resnet"
    assert [row["change"] for row in view["study"]["rows"]] == ["model.head=flat", other, f"{other}; model.head=flat"]
    runs = [view["study"]["base"]["run"], *(row["score"]["run"] for row in view["study"]["rows"])]
    assert sorted(member["name"] for member in view["blend"]["members"]) == sorted(runs)
    number = view["blend"]["id"].split("-")[0]
    assert f" submit {number}\n" in shown.stderr
    assert fw.submit(own.project, number, yes=True).folder.csv_file.is_file()
    assert len(list(fw.open_project(own.project).workspace.features.glob("[0-9a-f]*"))) == 2

    with pytest.raises(SettingError, match="a single run, and there is nothing to blend") as alone:
        fw.zoo(own.project, own.recipe, weights=["test_resnet", "shelf:test_resnet"], tries=[""], settings=QUICK)
    assert "--try model.head=flat" in alone.value.hint

    again = fw.zoo(own.project, own.recipe, settings=QUICK, name="zoo")
    assert (again.blend.id, again.blend.new) == (view["blend"]["id"], False)
    part = fw.zoo(own.project, own.recipe, weights=["shelf:test_resnet"], settings=QUICK)
    assert [part.study.base.run, *(row.score.run for row in part.study.rows)] == runs[2:]
