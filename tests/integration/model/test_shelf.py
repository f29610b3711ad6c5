"""Weights that people have, put on the shelf: what comes off it is what was put there, or it is refused."""

import json
import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import timm
import torch
from made_training import make_setup
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.models import efficientnet_b0, mobilenet_v2, regnet_y_400mf

import facetwise as fw
from facetwise.cli.main import main
from facetwise.core.errors import DamagedError, FacetwiseError, InputError, SettingError
from facetwise.core.labels import Attribute, LabelSpace
from facetwise.core.people import PEOPLE_KEY
from facetwise.core.records.shelf import PretrainedBackbone, ShelfRecord, find_shelf_entry, shelf_entries
from facetwise.inference import speed
from facetwise.model.backbone import Network, build_network
from facetwise.model.conversion import converted, in_order, unwrapped
from facetwise.model.families import in_their_order
from facetwise.model.heads import head_layout
from facetwise.model.reference import compared
from facetwise.model.to_try import NAMES
from facetwise.model.unpickling import held_tensors
from facetwise.recipe.head import MultiLabelHead
from facetwise.recipe.model import ModelSpec
from facetwise.results.shelf import AddedWeights
from facetwise.train.fold.loop import new_state, train_fold

LAYOUT = head_layout(MultiLabelHead(), LabelSpace((Attribute("a", ("x", "y")),)))
IMAGES = 255 * torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))


@pytest.fixture(autouse=True)
def shelf(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("FACETWISE_WEIGHTS", str(tmp_path / "shelf"))
    return tmp_path / "shelf"


def drawn(model: nn.Module) -> nn.Module:
    """The model with weights and statistics that are all different."""
    generator = torch.Generator().manual_seed(7)
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(0.2 * torch.randn(tensor.shape, generator=generator) + (1.0 if "running_var" in name else 0.0))
            if "running_var" in name:
                tensor.abs_()
    return model.eval()


def network(backbone: str, name: str) -> Network:
    spec = ModelSpec(backbone=backbone, weights=f"shelf:{name}").located(Path())
    return build_network(spec, LAYOUT, 64, 64).eval()


def normal(images: Tensor, record: ShelfRecord) -> Tensor:
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) * 255 for values in (record.mean, record.std))
    return (images - mean) / std


@torch.no_grad()
def features(model: nn.Module, images: Tensor) -> Tensor:
    return model.forward_head(model.forward_features(images), pre_logits=True)


PREFIXES = {"plain": "", "of DataParallel": "module.", "of a trainer": "model.", "of both": "module.model.backbone."}


@pytest.mark.parametrize("prefix", PREFIXES.values(), ids=PREFIXES)
@pytest.mark.parametrize("backbone", ["test_resnet", "test_efficientnet", "test_convnext2"])
def test_features_after_conversion_are_those_before_bit_for_bit(tmp_path, backbone, prefix):
    model = drawn(timm.create_model(backbone, num_classes=7))
    save_file({prefix + name: t for name, t in model.state_dict().items()}, tmp_path / "given.safetensors")
    added = fw.add_weights(tmp_path / "given.safetensors", backbone=backbone)
    assert (added.record.matched, added.record.left_out) == ("by name", "its head of 7 classes")
    after = network(backbone, backbone)
    with torch.no_grad():
        assert torch.equal(after.features(IMAGES), features(model, normal(IMAGES, added.record)))


def test_a_pickle_of_a_trainer_gives_the_average_of_its_weights(tmp_path):
    model = drawn(timm.create_model("test_resnet", num_classes=3))
    state = model.state_dict()
    torch.save({"model": {name: 0 * t for name, t in state.items()}, "model_ema": state}, tmp_path / "trained.pt")
    added = fw.add_weights(tmp_path / "trained.pt", backbone="test_resnet", licence="MIT", source="drawn")
    assert (added.record.licence, added.record.source, added.record.file) == ("MIT", "drawn", "trained.pt")
    assert added.record.matched == "by name, under `model_ema`"
    loaded = network("test_resnet", "test_resnet").backbone.state_dict()
    assert all(torch.equal(tensor, state[key]) for key, tensor in loaded.items())


STATE = {"b": torch.ones(2), "a": torch.zeros(3)}


@pytest.mark.parametrize(
    ("holding", "under"),
    [
        (STATE, []),
        ({"epoch": 3, "state_dict": STATE, "optimizer": {"state": {}, "lr": 0.1}}, ["state_dict"]),
        ({"model": {"state_dict": {**STATE, "step": 1}}}, ["model", "state_dict"]),
        ({"state_dict": {"c": torch.ones(1)}, "state_dict_ema": STATE}, ["state_dict_ema"]),
        ({"state_dict": STATE, "best_acc1": torch.tensor(0.9)}, ["state_dict"]),
        ({"ema": STATE, "epoch": 1}, ["ema"]),
        ({"teacher": STATE, "optimizer": {"state": {0: {"step": torch.ones(1)}}}, "epoch": 1}, ["teacher"]),
    ],
)
def test_tensors_are_found_wherever_a_pickle_holds_them(holding, under):
    keys, tensors = held_tensors(holding, 20)
    assert keys == under
    assert [*tensors] == ["b", "a"]
    assert all(tensors[name] is STATE[name] for name in STATE)
    with pytest.raises(ValueError, match="larger than the file"):
        held_tensors(holding, 19)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ([torch.ones(1)], "by name but a list"),
        ({"epoch": 1}, "its keys: epoch"),
        ({"generator": STATE, "critic": STATE}, "its keys: generator, critic"),
        ({"a": torch.ones(1).expand(10**5, 10**5)}, "larger than the file"),
        ({"a": torch.ones(2, 2).to_sparse()}, "its `a` is no plain tensor"),
        ({"a": torch.ones(2, device="meta")}, "its `a` is no plain tensor"),
    ],
)
def test_what_holds_no_tensors_or_unpacks_to_too_many_is_told(found, message):
    with pytest.raises(ValueError, match=message):
        held_tensors(found, 2**30)


def test_torchvisions_mobilenet_is_timms_by_order_and_gives_the_same_features(tmp_path):
    torch.manual_seed(2)
    theirs = mobilenet_v2(num_classes=11)
    for module in theirs.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.3, 0.3)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
    torch.save(theirs.state_dict(), tmp_path / "theirs.pth")
    ordered = fw.add_weights(tmp_path / "theirs.pth", backbone="mobilenetv2_100").record
    save_file(theirs.state_dict(), tmp_path / "theirs.safetensors")  # which keeps no order
    record = fw.add_weights(tmp_path / "theirs.safetensors", backbone="mobilenetv2_100").record
    assert record.sha256 == ordered.sha256
    assert record.matched == "by order and shape, 262 of 262"
    assert record.checked.startswith("torchvision's network")
    with torch.no_grad():
        before = theirs.eval().features(normal(IMAGES, record)).mean((2, 3))
        torch.testing.assert_close(network("mobilenetv2_100", "mobilenetv2_100").features(IMAGES), before)


def test_torchvisions_weights_in_a_network_that_pads_otherwise_are_refused():
    torch.manual_seed(2)
    theirs = efficientnet_b0(num_classes=4).state_dict()
    fitting, padded = "efficientnet_b0", "tf_efficientnet_b0"
    assert compared(converted(theirs, fitting), theirs, fitting).startswith("torchvision's network, outputs of")
    with pytest.raises(InputError, match="torchvision's network with these weights gives other outputs than `tf_"):
        compared(converted(theirs, padded), theirs, padded)


def test_what_timm_converts_by_itself_has_its_head_left_out_too():
    found = converted(regnet_y_400mf(num_classes=4).state_dict(), "regnety_004")
    assert (found.matched, found.left_out) == ("by timm's conversion of names", "its head, 2 tensors")


def as_efficientnet_pytorch(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tensors in the same order under names as that library has them."""
    kept = [(name, t) for name, t in state.items() if not name.endswith("num_batches_tracked")]
    ending = {number: name.rpartition(".")[2] for number, (name, _) in enumerate(kept)}
    first, last = "_conv_stem", "_fc"
    at = {n: first if n == 0 else last if n >= len(kept) - 2 else f"_blocks.{n}._bn" for n in range(len(kept))}
    return {f"{at[n]}.{ending[n]}": t for n, (_, t) in enumerate(kept)}


def test_efficientnet_pytorchs_lite0_is_timms_tf_by_order_with_its_own_statistics(tmp_path):
    model = drawn(timm.create_model("tf_efficientnet_lite0", num_classes=5))
    theirs = as_efficientnet_pytorch(model.state_dict())
    torch.save(theirs, tmp_path / "lite0.pth")
    record = fw.add_weights(tmp_path / "lite0.pth", backbone="tf_efficientnet_lite0", name="lite0").record
    assert record.matched == "by order and shape, 247 of 247"
    assert (record.mean, record.std) == ([127 / 255] * 3, [128 / 255] * 3)
    made = network("tf_efficientnet_lite0", "lite0")
    assert torch.allclose(made.mean, torch.tensor(127.0))
    assert torch.allclose(made.std, torch.tensor(128.0))
    with torch.no_grad():
        assert torch.equal(made.features(IMAGES), features(model, (IMAGES - made.mean) / made.std))
    with pytest.raises(InputError, match="pad and norm as timm's `tf_") as error:
        converted(theirs, "efficientnet_lite0")
    assert error.value.hint == "`--as tf_efficientnet_lite0`"


def test_efficientnet_pytorchs_names_have_an_order_of_their_own() -> None:
    block = ("_expand_conv", "_bn0", "_depthwise_conv", "_bn1", "_se_reduce", "_se_expand", "_project_conv", "_bn2")
    parts = ["_conv_stem", "_bn0", *(f"_blocks.{n}.{p}" for n in (2, 10) for p in block), "_conv_head", "_bn1", "_fc"]
    names = [f"{part}.{kind}" for part in parts for kind in ("weight", "bias", "running_mean", "running_var")]
    assert [*in_their_order({name: torch.ones(1) for name in sorted(names)}, "tf_efficientnet_b0")] == names


def test_the_statistics_are_the_files_the_familys_timms_or_as_given(tmp_path):
    save_file(timm.create_model("test_resnet").state_dict(), tmp_path / "a.safetensors")
    record = fw.add_weights(tmp_path / "a.safetensors", backbone="test_resnet").record
    cfg = timm.get_pretrained_cfg("test_resnet")
    assert (tuple(record.mean), tuple(record.std)) == (cfg.mean, cfg.std)
    given = fw.add_weights(
        tmp_path / "a.safetensors", backbone="test_resnet", name="own", mean="0.1, 0.2 0.3", std=(1, 0.5, 0.25)
    )
    assert (given.record.mean, given.record.std, given.record.statistics) == ([0.1, 0.2, 0.3], [1, 0.5, 0.25], "given")
    assert network("test_resnet", "own").std.flatten().tolist() == [255, 127.5, 63.75]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"mean": "0.5,0.5,0.5"}, "belong together"),
        ({"mean": "123 117 104", "std": "58 57 57"}, "`mean` is 123, 117, 104: expected three shares of 255"),
        ({"mean": "0 0 0", "std": "1 1"}, "`std` is 1, 1: expected three"),
        ({"mean": "0 0 nan", "std": "1 1 1"}, "`mean` is 0, 0, nan: expected three"),
        ({"mean": "a,b,c", "std": "1,1,1"}, "no numbers"),
    ],
)
def test_statistics_that_cannot_be_are_refused(tmp_path, given, message):
    save_file(timm.create_model("test_resnet").state_dict(), tmp_path / "a.safetensors")
    with pytest.raises(SettingError, match=message):
        fw.add_weights(tmp_path / "a.safetensors", backbone="test_resnet", **given)


def test_a_network_of_a_run_keeps_its_statistics_and_its_people(tmp_path):
    people = json.dumps(["0123456789abcdef"])
    tensors = build_network(ModelSpec(backbone="test_resnet"), LAYOUT, 64, 64).state_dict()
    tensors["mean"].fill_(51.0)
    save_file(tensors, tmp_path / "model.safetensors", {PEOPLE_KEY: people})
    added = fw.add_weights(tmp_path / "model.safetensors", backbone="test_resnet")
    assert added.record.mean == pytest.approx([0.2] * 3)
    with safe_open(added.path, framework="numpy") as file:
        assert file.metadata()[PEOPLE_KEY] == people
    save_file(tensors, tmp_path / "unknown.safetensors")
    with pytest.raises(InputError, match="does not say on which people"):
        fw.add_weights(tmp_path / "unknown.safetensors", backbone="test_resnet", name="other")


# ------------------------------------------------------------------------------------------------------ what is refused


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("the pickle was obeyed",))


def truncated(path: Path) -> None:
    torch.save(timm.create_model("test_resnet").state_dict(), path)
    path.write_bytes(path.read_bytes()[:50_000])


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "obeyed": (lambda path: torch.save({"a": torch.ones(2), "b": Bomb()}, path), "no mere dict of tensors: it wants"),
    "raw pickle": (lambda path: path.write_bytes(pickle.dumps(Bomb())), "no mere dict of tensors"),
    "whole module": (lambda path: torch.save(nn.Linear(2, 2), path), r"wants `torch\.nn\.modules\.linear\.Linear`"),
    "truncated": (truncated, "it is cut off"),
    "a page": (lambda path: path.write_text("<!DOCTYPE html>", encoding="utf-8"), "no file of torch: it begins with"),
    "empty": (lambda path: path.write_bytes(b""), r"no file of torch: it begins with b''"),
    "nothing in it": (lambda path: torch.save({"epoch": 1}, path), "holds no tensors by name; its keys: epoch"),
}


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_pickle_is_one_error_and_leaves_nothing(tmp_path, shelf, bad):
    write, message = BAD[bad]
    write(tmp_path / "bad.pth")
    with pytest.raises(InputError, match=message) as error:
        fw.add_weights(tmp_path / "bad.pth", backbone="test_resnet")
    assert str(error.value).startswith(str(tmp_path / "bad.pth"))
    assert error.value.hint
    assert not shelf.exists()


def missing(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: t for name, t in state.items() if name != "conv1.0.weight"}


DIFFERING: dict[str, tuple[Callable[[dict[str, Tensor]], dict[str, Tensor]], str]] = {
    "missing": (missing, r"it has no `conv1\.0\.weight`"),
    "left over": (lambda state: {**state, "extra.weight": torch.ones(2)}, r"the backbone has no `extra\.weight`"),
    "of another shape": (
        lambda state: {**state, "conv1.0.weight": torch.ones(5, 3, 3, 3)},
        r"`conv1\.0\.weight` is \(5, 3, 3, 3\)",
    ),
    "of other names": (
        lambda state: {f"x.{n}": t for n, t in enumerate(state.values())},
        r"neither by name nor in order: tensor 1 is `0`",
    ),
    "not numbers": (lambda state: {**state, "conv1.0.weight": state["conv1.0.weight"] * torch.nan}, "not finite"),
    "whole numbers": (lambda state: {**state, "conv1.0.weight": state["conv1.0.weight"].to(torch.int8)}, "is of int8"),
    "nothing": (lambda _: {}, r"it has no `conv1\.0\.weight`"),
    "a head": (lambda state: {"fc.bias": state["fc.bias"]}, r"it has no `conv1\.0\.weight`"),
}


@pytest.mark.parametrize("what", DIFFERING)
def test_what_is_not_of_the_backbone_is_named_and_leaves_nothing(tmp_path, shelf, what):
    change, message = DIFFERING[what]
    save_file(change(timm.create_model("test_resnet").state_dict()), tmp_path / "given.safetensors")
    with pytest.raises(InputError, match=message):
        fw.add_weights(tmp_path / "given.safetensors", backbone="test_resnet")
    assert not shelf.exists()


@pytest.mark.parametrize(
    ("file", "backbone", "message"),
    [
        ("a.txt", "test_resnet", "is no file of weights"),
        ("missing.pth", "test_resnet", "no such file"),
        ("half.safetensors", "test_resnet", "not readable as safetensors"),
        ("a.safetensors", "resnet_18", "timm has no `resnet_18`"),
        ("a.safetensors", "timm/resnet18", "timm has no `timm/resnet18`"),
        ("a.safetensors", "resnet18.a1_in2k", "timm has no `a1_in2k` of `resnet18`"),
        ("a.safetensors", "small_resnet", "no pretrained weights"),
    ],
)
def test_other_files_and_networks_are_told(tmp_path, file, backbone, message):
    save_file(timm.create_model("test_resnet").state_dict(), tmp_path / "a.safetensors")
    (tmp_path / "a.txt").write_text("x", encoding="utf-8")
    (tmp_path / "half.safetensors").write_bytes((tmp_path / "a.safetensors").read_bytes()[:999])
    with pytest.raises(FacetwiseError, match=message):
        fw.add_weights(tmp_path / file, backbone=backbone)


# ------------------------------------------------------------------------------------------- names, order and kinds


def test_in_order_kinds_and_shapes_have_to_be_the_same() -> None:
    expected = {"stem.weight": (2, 3), "bn.weight": (2,), "bn.bias": (2,), "fc.weight": (1, 2), "fc.bias": (1,)}
    shapes = {"a.weight": (2, 3), "b.weight": (2,), "b.bias": (2,), "c.weight": (9, 2), "c.bias": (9,)}
    given = {name: torch.rand(shape) for name, shape in shapes.items()}
    found = in_order(given, expected, ("fc.",))
    assert isinstance(found, dict)
    assert [*found] == [*expected]
    assert all(torch.equal(one, other) for one, other in zip(found.values(), given.values(), strict=True))
    without_head = in_order(dict(list(given.items())[:3]), expected, ("fc.",))
    assert [*without_head] == ["stem.weight", "bn.weight", "bn.bias"]
    swapped = {name: given[name] for name in ("a.weight", "b.bias", "b.weight", "c.weight", "c.bias")}
    assert in_order(swapped, expected, ("fc.",)) == (
        "tensor 2 is `b.bias` (2,) where the backbone has `bn.weight` (2,)"
    )
    short = dict(list(given.items())[:4])
    assert in_order(short, expected, ("fc.",)) == "tensor 5 is nothing where the backbone has `fc.bias` (1,)"


@pytest.mark.parametrize(
    ("names", "left", "beside"),
    [
        (["model.a", "b"], ["model.a", "b"], []),
        (["backbone.a", "decoder.b"], ["backbone.a", "decoder.b"], []),
        (["backbone.a", "head.fc.weight"], ["a"], ["head.fc.weight"]),
        (["model.a", "model.b", "criterion.weight"], ["a", "b"], ["criterion.weight"]),
        (["student.module.a", "student.module.b"], ["a", "b"], []),
        (["net.features.0", "net.features.1"], ["features.0", "features.1"], []),
    ],
)
def test_words_before_all_names_go_unless_the_network_has_them(names, left, beside) -> None:
    found, others = unwrapped({name: torch.ones(1) for name in names}, ["a", "b", "features.0"])
    assert ([*found], others) == (left, beside)


def test_a_loss_beside_the_network_is_left_out_and_said(tmp_path):
    state = {f"model.{name}": t for name, t in timm.create_model("test_resnet", num_classes=3).state_dict().items()}
    torch.save({"state_dict": {**state, "criterion.weight": torch.ones(3)}}, tmp_path / "last.ckpt")
    record = fw.add_weights(tmp_path / "last.ckpt", backbone="test_resnet").record
    assert (record.matched, record.left_out) == (
        "by name, under `state_dict`",
        "its head of 3 classes, beside the network `criterion`",
    )


# ------------------------------------------------------------------------------------------------------------ the shelf


def put(tmp_path: Path, name: str = "mine", **more: str) -> AddedWeights:
    torch.manual_seed(3)
    save_file(timm.create_model("test_resnet").state_dict(), tmp_path / "mine.safetensors")
    return fw.add_weights(tmp_path / "mine.safetensors", backbone="test_resnet", name=name, **more)


def test_the_same_again_changes_nothing_and_a_licence_is_added(tmp_path):
    first, again = put(tmp_path), put(tmp_path)
    assert (first.new, again.new) == (True, False)
    licensed = put(tmp_path, licence="MIT")
    assert licensed.new
    assert (licensed.path, licensed.record.licence) == (first.path, "MIT")
    kept = put(tmp_path)
    assert (kept.new, kept.record.licence) == (False, "MIT")
    assert [row.record.licence for row in fw.list_weights().weights] == ["MIT"]
    with pytest.raises(InputError, match="already, as `shelf:mine`"):
        put(tmp_path, "another")
    save_file(drawn(timm.create_model("test_resnet")).state_dict(), tmp_path / "b.safetensors")
    with pytest.raises(InputError, match=r"`shelf:mine` is on the shelf already, with other weights"):
        fw.add_weights(tmp_path / "b.safetensors", backbone="test_resnet", name="mine")
    for bad in ("../x", ""):
        with pytest.raises(SettingError, match="no name for the shelf"):
            put(tmp_path, bad)


def test_what_a_killed_process_left_on_the_shelf_goes_when_it_is_written_again(tmp_path, shelf):
    (left := shelf / ".bf592d8675bed9ba.tmp-684ad686").mkdir(parents=True)
    (left / "weights.safetensors").write_bytes(b"half")
    put(tmp_path)
    assert not left.exists()


def test_a_file_in_the_place_of_the_shelf_is_told(tmp_path, shelf):
    shelf.write_bytes(b"")
    for call in (fw.list_weights, fw.verify_weights, lambda: put(tmp_path), lambda: find_shelf_entry("mine")):
        with pytest.raises(InputError, match="expected the folder of the shelf of weights"):
            call()


@pytest.mark.parametrize("damage", ["weights.safetensors", "shelf.json", "DONE.json"])
def test_damage_is_found_and_mended_by_adding_again(tmp_path, damage):
    added = put(tmp_path)
    assert [row.problem for row in fw.verify_weights().weights] == [None]
    (added.path.parent / damage).write_bytes(b"{}")
    (row,) = fw.verify_weights().weights
    assert "damaged" in row.problem
    assert "facetwise weights add" in row.problem
    assert put(tmp_path).new
    assert [row.problem for row in fw.verify_weights("mine").weights] == [None]
    assert len(shelf_entries()) == 1


def test_what_to_try_first_fits_into_the_memory_and_has_timms_licence(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # where nothing was measured
    large = fw.list_weights(for_memory=2).to_try
    assert len(large) == len(NAMES)
    assert {known.images_per_second for known in large} == {None}
    monkeypatch.setattr("facetwise.model.to_try.NAMES", [known.name for known in large[:3]])
    assert fw.list_weights(for_memory=large[1].needed_bytes / 2**30).to_try == large[:2]
    assert len(fw.list_weights(for_memory=large[1].needed_bytes / 2**32, task="frozen").to_try) == 2
    lite0 = next(known for known in large if known.name.startswith("tf_efficientnet_lite0"))
    assert lite0.licence == timm.get_pretrained_cfg(lite0.name).license
    bare = timm.create_model("tf_efficientnet_lite0", num_classes=1).state_dict()
    assert lite0.num_weights == sum(tensor.numel() for tensor in bare.values())
    assert fw.list_weights().to_try == ()


def test_the_speed_here_is_measured_once_for_each_size_and_task(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("facetwise.model.to_try.NAMES", ["test_resnet.r160_in1k", "test_vit.r160_in1k"])
    put(tmp_path, licence=None)
    asked = {"for_memory": 1, "size": "32x48", "task": "frozen"}
    vit, resnet = fw.list_weights(**asked, measure=True).to_try  # the smaller first
    assert (resnet.on_shelf, vit.on_shelf) == (("mine",), ())
    assert resnet.images_per_second > 0
    monkeypatch.setattr(speed, "_measured", lambda _: 0.0)
    assert fw.list_weights(**asked, measure=True).to_try == (vit, resnet)
    assert [known.images_per_second for known in fw.list_weights(for_memory=1).to_try] == [None, None]
    assert {known.images_per_second for known in fw.list_weights(for_memory=1, measure=True).to_try} == {0.0}
    (tmp_path / "facetwise" / "speeds.json").write_text("{", encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["facetwise", "weights", "list", "--for-memory", "1", "--task", "frozen"])
    with pytest.raises(SystemExit):
        main()
    shown = capsys.readouterr().out
    for part in ("not measured", "shelf:mine", "160x160", "Memory for `frozen`: weights; activations"):
        assert part in shown
    with pytest.raises(SettingError, match="`size` is `32`, expected HEIGHTxWIDTH in pixels, such as 224x168"):
        fw.list_weights(for_memory=1, size="32")


@pytest.mark.parametrize("task", ["finetune", "frozen"])
def test_what_cannot_take_a_size_has_no_speed(task):
    asked = {"licence": None, "num_weights": 1, "made_for": (160, 160), "task": task}
    assert speed._measured(PretrainedBackbone(name="test_vit", size=(33, 47), **asked)) == 0
    assert speed._measured(PretrainedBackbone(name="test_resnet", size=(48, 32), **asked)) > 0


def test_the_command_line_lists_adds_and_verifies(tmp_path, capsys, monkeypatch):
    def told(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["facetwise", "weights", *words])
        with pytest.raises(SystemExit) as end:
            main()
        shown = capsys.readouterr()
        return int(end.value.code or 0), shown.out + shown.err

    assert "no weights in" in told("list")[1]
    save_file(timm.create_model("test_resnet").state_dict(), tmp_path / "given.safetensors")
    code, text = told("add", str(tmp_path / "given.safetensors"), "--as", "test_resnet", "--name", "mine")
    assert code == 0
    for part in ("matched by name", "left out: its head of 1,000 classes", "licence is not known", "shelf:mine"):
        assert part in text
    assert "mine" in told("list")[1]
    assert json.loads(told("list", "--json")[1])["weights"][0]["backbone"] == "test_resnet"
    assert told("verify")[0] == 0
    find_shelf_entry("mine").weights_file.write_bytes(b"")
    code, text = told("verify")
    assert (code, "changed since it was made" in text) == (1, True)
    code, text = told("verify", "min")
    assert (code, "did you mean `mine`?" in text) == (2, True)


# -------------------------------------------------------------------------------------------------------- runs from it

OF_THE_SHELF = (
    "model.backbone=test_resnet", "model.args={}", "model.weights=shelf:mine", "train.length=1ep", "folds.plan=holdout",
)  # fmt: skip


@pytest.mark.parametrize("freeze", ["0", "backbone"])
def test_a_run_and_its_weights_keep_where_it_started_and_the_licence(tmp_path, own, freeze):
    put(tmp_path, licence="CC-BY-NC-4.0", source="somebody")
    settings = [*OF_THE_SHELF, f"model.freeze={freeze}", "augment=[]"]
    events: list[dict[str, object]] = []
    run = fw.fit(own.project, own.recipe, settings=settings, listener=events.append)
    told = "`shelf:mine` (somebody), licence CC-BY-NC-4.0"
    assert run.record().base.told == told
    assert [event["base"] for event in events if event["event"] == "base"] == [told]
    assert any(told in notice.text for notice in fw.show(own.project, run.id).warnings)
    file = run.weights_file(0) if freeze == "0" else run.backbone_file
    again = fw.fit(own.project, own.recipe, settings=[*settings, f"model.weights={file}", "folds.plan=none"])
    assert again.record().base.told == told


def test_frozen_norms_stay_as_they_were_and_all_else_trains(tmp_path):
    before = put(tmp_path).path
    recipe = {
        "input": {"height": 32, "width": 32},
        "model": {"backbone": "test_resnet", "weights": str(before), "freeze_norms": True},
        "optimizer": {"name": "adamw", "lr": 1e-2},
        "train": {"length": "1ep", "batch_size": 4, "device": "cpu"},
    }
    setup, task = make_setup(recipe, LAYOUT.space, 8)
    drawn = {name: tensor.clone() for name, tensor in new_state(setup, 0).network.state_dict().items()}
    network = train_fold(setup, task, tmp_path, lambda _: None).network
    parts = dict(network.named_modules())
    norms = {n for n in drawn if isinstance(parts[n.rpartition(".")[0]], nn.BatchNorm2d)}
    moved = {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, drawn[name])}
    assert moved.isdisjoint(norms)
    assert moved == {name for name, p in network.named_parameters() if name not in norms}
    with pytest.raises(SettingError, match="`test_vit` has no batch norms"):
        build_network(ModelSpec(backbone="test_vit", freeze_norms=True), LAYOUT, 32, 32)


def test_a_blend_and_a_submission_say_whose_weights_are_below_them(tmp_path, own_finished):
    put(tmp_path, licence="CC-BY-NC-4.0", source="somebody")
    own, other = own_finished, fw.show(own_finished.project).id
    run = fw.fit(own.project, own.recipe, settings=[s for s in OF_THE_SHELF if "holdout" not in s])
    told = "Started from weights of others: `shelf:mine` (somebody), licence CC-BY-NC-4.0."
    blend = fw.blend(own.project, members=[run.id, other], weighting="equal")
    submission = fw.submit(own.project, blend.id, yes=True)
    for reference in (run.id, blend.id, submission.folder.id):
        assert [n.text for n in fw.show(own.project, reference).warnings if n.kind == "note"].count(told) == 1
    assert not any("weights of others" in notice.text for notice in fw.show(own.project, other).warnings)


def test_what_is_not_on_the_shelf_or_of_another_network_is_told(tmp_path, own):
    with pytest.raises(InputError, match="no `mine` on the shelf"):
        fw.fit(own.project, own.recipe, settings=OF_THE_SHELF)
    added = put(tmp_path)
    with pytest.raises(
        InputError, match=r"`shelf:mine` is a `test_resnet`, and `model.backbone` is `test_efficientnet`"
    ):
        fw.fit(own.project, own.recipe, settings=[*OF_THE_SHELF, "model.backbone=test_efficientnet"])
    data = bytearray(added.path.read_bytes())
    data[-1] ^= 1
    added.path.write_bytes(data)
    with pytest.raises(DamagedError, match="changed since it was made"):
        fw.fit(own.project, own.recipe, settings=OF_THE_SHELF)
