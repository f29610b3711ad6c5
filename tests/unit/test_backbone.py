"""Networks: building them, first weights from a file, a run or the hub, what does not train, and what is refused."""

import copy
import pickle
import socket

import pytest
import timm
import torch
from huggingface_hub import constants
from safetensors.torch import save_file
from torch import Tensor, nn

from facetwise.core.errors import InputError, SettingError
from facetwise.core.labels import Attribute, LabelSpace
from facetwise.core.settings import parse
from facetwise.model import weights as weights_module
from facetwise.model.backbone import Network, build_network, layer_ids
from facetwise.model.heads import head_layout
from facetwise.model.small import SmallResNet
from facetwise.recipe.head import MultiLabelHead
from facetwise.recipe.model import ModelSpec

SPACE = LabelSpace((Attribute("a", ("x", "y")), Attribute("b", ("p", "q", "r"))))
LAYOUT = head_layout(MultiLabelHead(), SPACE)
SMALL = {"stem": 4, "widths": [4, 8], "depths": [1, 2]}


def build(name: str, height: int = 32, width: int = 32, **spec: object) -> Network:
    return build_network(ModelSpec(backbone=name, **spec), LAYOUT, height, width)


def test_first_weights_come_from_the_seed():
    networks = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        networks.append(build("small_resnet", args=SMALL).state_dict())
    one, same, other = networks
    assert all(torch.equal(one[k], same[k]) for k in one)
    assert any(not torch.equal(one[k], other[k]) for k in one)


def test_normalisation_travels_with_the_network():
    network = build("test_resnet").eval()
    assert {"mean", "std"} <= network.state_dict().keys()
    cfg = network.backbone.pretrained_cfg
    torch.testing.assert_close(network.mean.flatten(), 255 * torch.tensor(cfg["mean"]))
    grey = network.mean.expand(1, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(network(grey), network.head(network.backbone(torch.zeros(1, 3, 32, 32))))


def test_arguments_reach_the_backbone():
    assert build("small_resnet", args={**SMALL, "widths": [4, 24]}).head.in_features == 24
    assert build("test_resnet", dropout=0.4).dropout.p == 0.4


@pytest.mark.parametrize(
    ("name", "spec", "words"),
    [
        ("resnet_18", {}, "timm has no `resnet_18`"),
        ("small_resnet", {"args": {"widths": [8], "depths": [1, 1]}}, "cannot be made"),
        ("small_resnet", {"args": {"width": 8}}, "cannot be made"),
        ("small_resnet", {"weights": "hub"}, "no pretrained weights"),
        ("test_resnet", {"args": {"depth": 9}}, "cannot make `test_resnet`"),
        ("test_resnet.other_tag", {}, "cannot make `test_resnet.other_tag`"),
        ("hf-hub:timm/resnet18.a1_in1k", {}, "timm has no `hf-hub:"),
        ("densenet121", {"drop_path": 0.1}, "`densenet121` has no stochastic depth"),
        ("small_resnet", {"args": SMALL, "freeze": 4}, "`model.freeze` is 4, but the backbone has 3 stages"),
    ],
)
def test_networks_that_cannot_be(name, spec, words):
    with pytest.raises(SettingError, match=words):
        build(name, **spec)


def test_close_matches_of_a_backbone_are_few():
    with pytest.raises(SettingError) as error:
        build("resnet_18")
    assert error.value.hint.startswith("did you mean `resnet")
    assert len(error.value.hint) < 200


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"freeze": -1}, "freeze"),
        ({"freeze": "all"}, "freeze"),
        ({"drop_path": 1.0}, "less than 1"),
        ({"drop_path": 0.1, "args": {"drop_path_rate": 0.2}}, "not both"),
    ],
)
def test_settings_that_cannot_be(data, words):
    with pytest.raises(SettingError, match=words):
        parse(ModelSpec, {"backbone": "resnet18", **data}, "recipe.toml")


# --------------------------------------------------------------------------------------------------- stochastic depth


def test_stochastic_depth_reaches_timm():
    rates = [m.drop_prob for m in build("test_resnet", drop_path=0.3).modules() if "DropPath" in type(m).__name__]
    assert max(rates) == pytest.approx(0.3)


def test_blocks_of_our_own_family_are_skipped_for_a_share_of_the_images():
    rates = [b.drop for b in SmallResNet(4, [4, 8], [1, 3], drop_path=0.4).layers[3:]]
    assert rates == pytest.approx([0.1, 0.2, 0.3, 0.4])
    torch.manual_seed(0)
    block = SmallResNet(4, [4], [1], drop_path=0.25).layers[3].train()
    for norm in (m for m in block.modules() if isinstance(m, nn.BatchNorm2d)):
        norm.eval().bias.data.fill_(1.0)
    x_BCHW = torch.rand(1, 4, 8, 8).expand(2000, -1, -1, -1)
    with torch.no_grad():
        trained, skipped = block(x_BCHW), torch.relu(block.shortcut(x_BCHW[:1]))
        plain = block.eval()(x_BCHW)
    was_skipped = torch.isclose(trained, skipped, atol=1e-6).flatten(1).all(dim=1)
    assert was_skipped.float().mean() == pytest.approx(0.25, abs=0.04)
    assert torch.equal(plain, plain[:1].expand_as(plain))


# ------------------------------------------------------------------------------------------------------------ freezing


def step_once(network: Network) -> tuple[set[str], set[str]]:
    """Names of what a training step changes: weights by their gradient, and statistics of norms."""
    network.train()
    before = copy.deepcopy(network.state_dict())
    network(255 * torch.rand(4, 3, 32, 32)).square().sum().backward()
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.grad is not None:
                parameter.add_(1.0)
    changed = {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}
    weights = {name for name, _ in network.named_parameters()}
    return changed & weights, changed - weights


@pytest.mark.parametrize("amount", [1, 2, 3, "backbone"])
@pytest.mark.parametrize("name", ["small_resnet", "test_resnet", "test_efficientnet", "test_vit"])
def test_what_is_frozen_stays_and_so_do_its_norms(name, amount):
    network = build(name, args=SMALL if name == "small_resnet" else {}, freeze=amount)
    layers = layer_ids(network.backbone, coarse=True)
    limit = max(layers.values()) + 1 if amount == "backbone" else amount
    trains = {f"backbone.{name}" for name, layer in layers.items() if layer >= limit} | {"head.weight", "head.bias"}
    weights, statistics = step_once(network)
    assert weights == trains
    modules = {name.rsplit(".", 1)[0] for name in trains}
    assert {name.rsplit(".", 1)[0] for name in statistics} <= modules
    assert name == "test_vit" or bool(statistics) == (limit <= max(layers.values()))


def test_a_frozen_backbone_gives_the_same_features_in_training():
    network = build("test_resnet", freeze="backbone", drop_path=0.5, dropout=0.5)
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(network.eval().backbone(images), network.train().backbone(images))
    assert not network.backbone.training
    assert network.training
    assert network.dropout.training
    assert not copy.deepcopy(network).train().backbone.training


def test_a_backbone_without_groups_is_told_by_its_names():
    backbone = timm.create_model("pit_ti_224", num_classes=0, img_size=(32, 32))
    coarse, fine = layer_ids(backbone, coarse=True), layer_ids(backbone)
    assert coarse.keys() == fine.keys() == {name for name, _ in backbone.named_parameters()}
    assert [coarse[k] for k in ("pos_embed", "transformers.0.blocks.1.norm1.weight", "norm.weight")] == [0, 1, 3]
    order = [fine[f"transformers.{stage}.blocks.{block}.norm1.weight"] for stage, block in ((0, 0), (0, 1), (2, 0))]
    assert order == sorted(set(order))
    assert sorted(set(fine.values())) == list(range(max(fine.values()) + 1))


# ---------------------------------------------------------------------------------------------- pretrained weights


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


def test_weights_of_another_network_are_refused(weights):
    path, _ = weights
    with pytest.raises(InputError, match="no weights for `test_efficientnet`"):
        build("test_efficientnet", weights=str(path))


@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors.pkl", "missing.safetensors"])
def test_pickles_and_missing_files_are_refused_unread(tmp_path, name):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("the pickle was opened",))

    if not name.startswith("missing"):
        (tmp_path / name).write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(InputError, match=r"is not a \.safetensors file") as error:
        build("test_resnet", weights=str(tmp_path / name))
    assert "pickled weights are refused" in error.value.hint


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


def test_the_local_cache_needs_no_network(hub, weights):
    path, model = weights
    repository = hub / "models--timm--test_resnet.r160_in1k"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("abc")
    (repository / "snapshots" / "abc").mkdir(parents=True)
    path.rename(repository / "snapshots" / "abc" / "model.safetensors")
    network = build("test_resnet", weights="hub")
    assert torch.equal(network.backbone.conv1[0].weight, model.conv1[0].weight)


@pytest.mark.usefixtures("hub")
def test_a_backbone_without_weights_on_the_hub_says_so():
    with pytest.raises(InputError, match="timm has none there"):
        build("legacy_seresnet18", weights="hub")
