"""First weights: from a file, from a run, or from the hub, and what is refused."""

import logging
import pickle
import socket

import pytest
import timm
import torch
from huggingface_hub import constants
from safetensors.torch import save_file
from torch import Tensor

import facetwise as fw
from facetwise.core.errors import InputError, SettingError
from facetwise.core.labels import Attribute, LabelSpace
from facetwise.core.workspace import file_hash
from facetwise.model import weights as weights_module
from facetwise.model.backbone import Network, build_network, hub_weights
from facetwise.model.heads import head_layout
from facetwise.model.weights import read_weights
from facetwise.recipe import load_recipe
from facetwise.recipe.head import MultiLabelHead
from facetwise.recipe.model import ModelSpec
from facetwise.train.planning.plan import make_plan

SPACE = LabelSpace((Attribute("a", ("x", "y")), Attribute("b", ("p", "q", "r"))))
LAYOUT = head_layout(MultiLabelHead(), SPACE)
SMALL = {"stem": 4, "widths": [4, 8], "depths": [1, 2]}


def build(name: str, height: int = 32, width: int = 32, **spec: object) -> Network:
    return build_network(ModelSpec(backbone=name, **spec), LAYOUT, height, width)


@pytest.fixture
def weights(tmp_path):
    """A weights file of timm's `test_resnet`, as a download would be, and the model it was saved from."""
    torch.manual_seed(3)
    model = timm.create_model("test_resnet", pretrained=False)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    path = tmp_path / "test_resnet.safetensors"
    save_file(model.state_dict(), path)
    return path, model.eval()


def test_weights_of_a_file_are_those_of_the_backbone(weights):
    path, model = weights
    network = build("test_resnet", weights=str(path)).eval()
    x_BCHW = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        features = model.forward_head(model.forward_features(x_BCHW), pre_logits=True)
        torch.testing.assert_close(network.backbone(x_BCHW), features)
    for name, tensor in network.backbone.state_dict().items():
        assert torch.equal(tensor, model.state_dict()[name]), name


@pytest.mark.parametrize("wrapper", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
def test_names_behind_a_wrapper_are_those_of_the_network(weights, tmp_path, wrapper):
    path, model = weights
    wrapped = {f"{wrapper}{name}": tensor for name, tensor in model.state_dict().items()}
    save_file(wrapped, tmp_path / "wrapped.safetensors")
    read = read_weights(tmp_path / "wrapped.safetensors").tensors
    assert read.keys() == read_weights(path).tensors.keys()
    assert all(torch.equal(read[name], tensor) for name, tensor in model.state_dict().items())


def test_weights_of_another_network_are_refused(weights):
    path, _ = weights
    with pytest.raises(InputError, match="no weights for `test_efficientnet`"):
        build("test_efficientnet", weights=str(path))


@pytest.mark.parametrize(
    ("given", "asked", "named"),
    [
        ("resnet34", "resnet18", r"the backbone has no `layer1\.2\.bn1\.bias`, .*which the file has"),
        ("resnet18", "resnet34", r"the file has no `layer1\.2\.conv1\.weight`"),
        ("efficientnet_b0", "efficientnet_lite0", r"the backbone has no `blocks\.0\.0\.se\."),
    ],
)
def test_a_larger_or_smaller_network_of_the_family_is_refused(tmp_path, given, asked, named):
    save_file(timm.create_model(given).state_dict(), tmp_path / "given.safetensors")
    with pytest.raises(InputError, match=f"no weights for `{asked}` .*: {named}") as error:
        build(asked, weights=str(tmp_path / "given.safetensors"))
    assert "another network" in str(error.value)


@pytest.mark.parametrize(
    "name", ["test_resnet", "test_vit", "test_efficientnet", "caformer_s18", "deit_tiny_distilled_patch16_224"]
)
def test_a_head_of_any_number_of_classes_is_left_out(tmp_path, name):
    model = timm.create_model(name, num_classes=7, **({"img_size": 32} if "vit" in name else {}))
    save_file(model.state_dict(), tmp_path / "seven.safetensors")
    side = 224 if "deit" in name else 32
    loaded = build(name, side, side, weights=str(tmp_path / "seven.safetensors")).backbone.state_dict()
    assert len(loaded) < len(model.state_dict())
    assert all(torch.equal(tensor, model.state_dict()[key]) for key, tensor in loaded.items())


def test_a_head_of_several_layers_is_a_head(weights):
    path, model = weights
    tensors = {name: tensor for name, tensor in model.state_dict().items() if not name.startswith("fc.")}
    save_file({**tensors, "fc.1.weight": torch.ones(4, 8), "fc.4.bias": torch.ones(3)}, path)
    assert torch.equal(build("test_resnet", weights=str(path)).backbone.conv1[0].weight, model.conv1[0].weight)


@pytest.mark.parametrize("tensors", [{}, {"fc.weight": torch.ones(3, 64), "fc.bias": torch.ones(3)}], ids=["", "head"])
def test_a_file_without_a_backbone_is_refused_and_none_is_downloaded(tmp_path, tensors, monkeypatch):
    monkeypatch.setattr("timm.models._builder.load_pretrained", lambda *_, **__: pytest.fail("from the hub"))
    save_file(tensors, tmp_path / "bare.safetensors")
    with pytest.raises(InputError, match="the file has no tensor of a backbone"):
        build("test_resnet", weights=str(tmp_path / "bare.safetensors"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensor: (100 * tensor).to(torch.int8), r"`conv1\.0\.weight` is of int8"),
        (lambda tensor: tensor.to(torch.complex64), r"`conv1\.0\.weight` is of complex64"),
        (lambda tensor: tensor / 0, r"`conv1\.0\.weight` holds numbers that are not finite"),
        (lambda tensor: tensor.double() * 1e300, r"`conv1\.0\.weight` holds numbers that are not finite"),
    ],
)
def test_weights_that_are_no_finite_numbers_are_refused_by_name(weights, change, message):
    path, model = weights
    state = model.state_dict()
    save_file({**state, "conv1.0.weight": change(state["conv1.0.weight"])}, path)
    with pytest.raises(InputError, match=message):
        build("test_resnet", weights=str(path))


def test_making_a_head_aside_draws_nothing(weights):
    path, _ = weights
    torch.manual_seed(5)
    with_weights = build("test_resnet", weights=str(path)).head.state_dict()
    torch.manual_seed(5)
    without = build("test_resnet").head.state_dict()
    assert all(torch.equal(tensor, without[name]) for name, tensor in with_weights.items())


@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors.pkl", "missing.safetensors"])
def test_pickles_and_missing_files_are_refused_unread(tmp_path, name):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("the pickle was opened",))

    if not name.startswith("missing"):
        (tmp_path / name).write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(InputError, match=r"is not a \.safetensors file") as error:
        build("test_resnet", weights=str(tmp_path / name))
    assert ("pickles are read for the shelf alone" if name.endswith(".pth") else "give `none`") in error.value.hint


def test_a_pickle_or_a_half_file_named_safetensors_is_refused(weights):
    path, _ = weights
    data = path.read_bytes()
    for bad in (pickle.dumps({"a": 1}), data[: len(data) // 2], b""):
        path.write_bytes(bad)
        with pytest.raises(InputError, match=r"test_resnet\.safetensors is not readable as safetensors"):
            build("test_resnet", weights=str(path))


@pytest.fixture
def vit(tmp_path):
    """Weights of timm's `test_vit` for 32x32 images, and the model."""
    torch.manual_seed(4)
    model = timm.create_model("test_vit", img_size=(32, 32), num_classes=7)
    path = tmp_path / "test_vit.safetensors"
    save_file(model.state_dict(), path)
    return path, model


def test_position_embeddings_are_resampled_to_the_size(vit):
    path, model = vit
    network = build("test_vit", 48, 64, weights=str(path))
    assert network.backbone.pos_embed.shape != model.pos_embed.shape
    assert network.backbone.pos_embed.mean().item() == pytest.approx(model.pos_embed.mean().item(), abs=1e-2)
    assert torch.equal(network.backbone.blocks[0].attn.qkv.weight, model.blocks[0].attn.qkv.weight)
    assert "state_dict" not in network.backbone.pretrained_cfg


def test_maps_of_position_embeddings_are_resampled_too(tmp_path):
    torch.manual_seed(5)
    model = timm.create_model("pit_ti_224", img_size=(64, 64))
    path = tmp_path / "pit.safetensors"
    save_file(model.state_dict(), path)
    network = build("pit_ti_224", 96, 64, weights=str(path))
    assert network.backbone.pos_embed.shape[2:] == (11, 7)
    assert torch.equal(network.backbone.norm.weight, model.norm.weight)
    same = build("pit_ti_224", 64, 64, weights=str(path))
    assert torch.equal(same.backbone.pos_embed, model.pos_embed)


@pytest.mark.parametrize("broken", [lambda t: t[:1], lambda _: None], ids=["of another shape", "missing"])
@pytest.mark.parametrize("name", ["test_resnet", "small_resnet"])
def test_what_does_not_fit_is_named(tmp_path, name, broken):
    args = SMALL if name == "small_resnet" else {}
    tensors = build(name, args=args).backbone.state_dict()
    key = next(k for k in tensors if k.endswith("conv2.weight"))
    tensors[key] = broken(tensors[key])
    path = tmp_path / "broken.safetensors"
    save_file({k: v.contiguous() for k, v in tensors.items() if v is not None}, path)
    with pytest.raises(InputError, match=f"no weights for `{name}` .*{key}"):
        build(name, args=args, weights=str(path))


@pytest.mark.parametrize("silenced", ["its logger", "all"])
def test_what_is_missing_is_found_where_logging_is_silenced(tmp_path, monkeypatch, silenced):
    tensors = build("test_resnet").backbone.state_dict()
    key = next(k for k in tensors if k.endswith("conv2.weight"))
    path = tmp_path / "broken.safetensors"
    save_file({k: v.contiguous() for k, v in tensors.items() if k != key}, path)
    logger = logging.getLogger("timm.models._builder")
    monkeypatch.setattr(logger, "disabled", silenced == "its logger")
    monkeypatch.setattr(logging.root.manager, "disable", logging.CRITICAL if silenced == "all" else logging.NOTSET)
    with pytest.raises(InputError, match=f"no weights for `test_resnet` .*{key}"):
        build("test_resnet", weights=str(path))
    assert logger.disabled is (silenced == "its logger")
    assert logging.root.manager.disable == (logging.CRITICAL if silenced == "all" else logging.NOTSET)


# -------------------------------------------------------------------------------------------------- weights made here


def saved(network: Network, path) -> dict[str, Tensor]:
    """The network as a run saves it."""
    for tensor in network.state_dict().values():
        if tensor.is_floating_point():
            tensor.normal_(std=0.1)
    network.mean.fill_(120.0)
    network.std.fill_(60.0)
    save_file(network.state_dict(), path, {"people": "[]"})
    return network.state_dict()


@pytest.mark.parametrize("name", ["small_resnet", "test_resnet", "test_efficientnet", "test_vit"])
def test_the_backbone_of_a_run_is_taken_with_its_normalisation(tmp_path, name):
    args = SMALL if name == "small_resnet" else {}
    path = tmp_path / "model.safetensors"
    given = saved(build(name, args=args), path)
    network = build(name, args=args, weights=str(path))
    for key, tensor in network.state_dict().items():
        assert torch.equal(tensor, given[key]) == (not key.startswith("head.")), key


def test_the_backbone_of_a_run_fits_another_image_size(tmp_path):
    path = tmp_path / "model.safetensors"
    given = saved(build("test_vit"), path)
    network = build("test_vit", 64, 48, weights=str(path))
    assert network.backbone.pos_embed.shape != given["backbone.pos_embed"].shape
    assert torch.equal(network.backbone.patch_embed.proj.weight, given["backbone.patch_embed.proj.weight"])
    assert torch.equal(network.mean, given["mean"])


def test_the_network_of_another_run_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    saved(build("small_resnet", args=SMALL), path)
    with pytest.raises(InputError, match=r"no weights for `small_resnet`.*layers"):
        build("small_resnet", args={**SMALL, "widths": [4, 16]}, weights=str(path))
    with pytest.raises(InputError, match=r"no weights for `test_resnet`.*the file has no `conv1"):
        build("test_resnet", weights=str(path))


def test_a_path_may_name_the_fold(tmp_path):
    spec = ModelSpec(backbone="resnet18", weights="runs/1/fold-{fold}/model.safetensors")
    assert spec.located(tmp_path, 3).weights == str(tmp_path / "runs/1/fold-3/model.safetensors")
    with pytest.raises(InputError, match=r"fold-\{fold\}"):
        build_network(spec.located(tmp_path), LAYOUT, 32, 32)


# ------------------------------------------------------------------------------------------------------------- the hub


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A hub that is asked, with an empty cache; gives its cache's folder."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.setattr(weights_module, "hf_hub_download", lambda *_, **__: pytest.fail("downloaded"))
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return tmp_path


def closed_port() -> int:
    """A port of this machine at which nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.mark.usefixtures("hub")
def test_a_hub_that_refuses_is_one_clear_error():
    with pytest.raises(InputError, match=r"no weights for `resnet18` from `hub`: .* cannot be reached") as error:
        build("resnet18", weights="hub")
    assert "offline?" in error.value.hint
    assert "give the .safetensors path" in error.value.hint


@pytest.mark.usefixtures("hub")
def test_a_hub_that_does_not_answer_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(weights_module, "PATIENCE", 0.2)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(InputError, match="cannot be reached"):
            build("resnet18", weights="hub")


@pytest.mark.usefixtures("hub")
def test_offline_by_wish_is_said(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="`HF_HUB_OFFLINE` is set"):
        build("resnet18", weights="hub")


@pytest.fixture
def cached(hub, weights):
    """The cached file of `test_resnet` on the hub, and the model it was saved from."""
    path, model = weights
    repository = hub / "models--timm--test_resnet.r160_in1k"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("abc", encoding="utf-8")
    (repository / "snapshots" / "abc").mkdir(parents=True)
    return path.rename(repository / "snapshots" / "abc" / "model.safetensors"), model


def test_the_local_cache_needs_no_network(cached):
    path, model = cached
    network = build("test_resnet", weights="hub")
    assert torch.equal(network.backbone.conv1[0].weight, model.conv1[0].weight)
    assert hub_weights("test_resnet") == path


def test_another_file_on_the_hub_is_another_run(cached, ready_to_fit):
    path, model = cached
    project, settings = fw.open_project(ready_to_fit.project), ["model.backbone=test_resnet", "model.weights=hub"]
    recipe = load_recipe(ready_to_fit.recipe, ["model.args={}", *settings])
    plan, same = make_plan(project, recipe), make_plan(project, recipe)
    assert plan.fields["weights"] == [file_hash(path)]
    assert plan.fingerprint == same.fingerprint
    model.conv1[0].weight.data.add_(1)
    save_file(model.state_dict(), path)
    assert make_plan(project, recipe).fingerprint != plan.fingerprint


def test_ours_has_nothing_on_the_hub():
    with pytest.raises(SettingError, match="`small_resnet` has no pretrained weights"):
        hub_weights("small_resnet")


@pytest.mark.usefixtures("hub")
def test_a_backbone_without_weights_on_the_hub_says_so():
    with pytest.raises(InputError, match="timm has none there"):
        build("legacy_seresnet18", weights="hub")
