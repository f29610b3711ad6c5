"""Networks: building them, first weights, pretrained weights from a file, and what is refused."""

import pickle

import pytest
import timm
import torch
from safetensors.torch import save_file

from facetwise.core.errors import InputError, SettingError
from facetwise.core.labels import Attribute, LabelSpace
from facetwise.model.backbone import build_network
from facetwise.model.heads import head_layout
from facetwise.recipe.model import ModelSpec, MultiLabelHead

SPACE = LabelSpace((Attribute("a", ("x", "y")), Attribute("b", ("p", "q", "r"))))
LAYOUT = head_layout(MultiLabelHead(), SPACE)
SMALL = {"stem": 4, "widths": [4, 8], "depths": [1, 2]}


def build(name: str, height: int = 32, width: int = 32, **spec: object):
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
    network = build("test_resnet", args={"drop_path_rate": 0.3}, dropout=0.4)
    assert network.dropout.p == 0.4
    assert any("DropPath" in type(m).__name__ for m in network.modules())


@pytest.mark.parametrize(
    ("name", "spec", "words"),
    [
        ("resnet_18", {}, "timm has no `resnet_18`"),
        ("small_resnet", {"args": {"widths": [8], "depths": [1, 1]}}, "cannot be made"),
        ("small_resnet", {"args": {"width": 8}}, "cannot be made"),
        ("small_resnet", {"weights": "hub"}, "no pretrained weights"),
        ("test_resnet", {"args": {"depth": 9}}, "cannot make `test_resnet`"),
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
        with pytest.raises(InputError, match="no weights for `test_resnet`"):
            build("test_resnet", weights=str(path))


def test_the_hub_without_a_network_is_one_clear_error(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError, match="no weights for `resnet18` from `hub`") as error:
        build("resnet18", weights="hub")
    assert "offline?" in error.value.hint
