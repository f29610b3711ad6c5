"""Label Studio, FiftyOne and COCO-like JSON: what their files say, and that what is written says the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facetwise.core.choices import LabelFormat
from facetwise.core.errors import InputError
from facetwise.core.files.annotations.annotated import AnnotatedImage, Guess, Guesses, Said
from facetwise.core.files.annotations.formats import FORMATS, Annotated, annotation_table, read_annotations
from facetwise.core.files.annotations.label_studio import image_name, interface
from facetwise.core.labels import Attribute

CROP = Attribute("crop", ("bean", "maize & rice", '"oats"'))
SIZE = Attribute("size in cm", ("small", "large"), cuts=(10.0,), valid=(0.0, 99.5))
ATTRIBUTES = {a.name: a for a in (CROP, SIZE)}


def read(data: Any, form: LabelFormat | None = None) -> Annotated:
    return read_annotations(json.dumps(data).encode(), form)


def values(one: AnnotatedImage) -> dict[str, str]:
    return {name: label.value for name, label in one.labels.items()}


def said(found: Annotated) -> list[tuple[str, dict[str, str]]]:
    return [(one.image, values(one)) for one in found.images]


def choice(name: str, *classes: str) -> dict[str, Any]:
    return {"from_name": name, "to_name": "image", "type": "choices", "value": {"choices": list(classes)}}


def task(number: int, image: str, *annotations: dict[str, Any], **more: Any) -> dict[str, Any]:
    data = {"image": image, **more}
    return {"id": number, "data": data, "annotations": list(annotations), "predictions": []}


def by(who: Any, *results: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "id": 100,
        "completed_by": who,
        "was_cancelled": False,
        "ground_truth": False,
        "result": list(results),
    } | more


KIM = {"id": 7, "email": "kim@example.org", "first_name": "Kim"}


def test_label_studio_says_who_and_which_task():
    number = {"from_name": "size", "type": "number", "value": {"number": 12.5}}
    stars = {"from_name": "quality", "type": "rating", "value": {"rating": 4}}
    found = read([task(12, "a.jpg", by(KIM, choice("crop", "bean"), number, stars), plant="p1")])
    (one,) = found.images
    assert (one.where, one.image, one.others) == ("task 12", "a.jpg", {"plant": "p1"})
    assert one.labels == {
        "crop": Said("bean", "kim@example.org", "label-studio #12"),
        "size": Said("12.5", "kim@example.org", "label-studio #12"),
        "quality": Said("4", "kim@example.org", "label-studio #12"),
    }
    assert found.left_out == ()


@pytest.mark.parametrize(
    ("who", "author"), [(7, "label-studio user 7"), ({"id": 7}, "label-studio user 7"), ("kim", "kim"), (None, "")]
)
def test_an_annotator_has_a_name_as_far_as_the_file_tells_it(who, author):
    (one,) = read([task(1, "a.jpg", by(who, choice("crop", "bean")))]).images
    assert one.labels["crop"].author == author


def test_what_is_no_label_is_left_out_and_counted():
    box = {"from_name": "face", "type": "rectanglelabels", "value": {"x": 1, "rectanglelabels": ["face"]}}
    cancelled = by(8, choice("crop", "rice"), was_cancelled=True)
    of_a_region = {"from_name": "crop", "type": "choices", "value": {"x": 1, "y": 2, "choices": ["rice"]}}
    nameless = {"type": "choices", "value": {"choices": ["bean"]}, "id": "x"}
    tasks = [
        task(1, "a.jpg", by(7, choice("crop", "bean"), box, nameless, of_a_region), cancelled),
        task(2, "b.jpg", by(7)),
    ]
    tasks[1]["annotations"][0]["result"] = None
    tasks[1]["predictions"] = [{"model_version": "m", "score": 0.5, "result": [choice("crop", "rice")]}]
    found = read(tasks)
    assert said(found) == [("a.jpg", {"crop": "bean"}), ("b.jpg", {})]
    kinds = ("1 result of type `rectanglelabels`", "2 results of type `choices`")
    assert sorted(found.left_out) == sorted(("1 cancelled annotation", "1 prediction", *kinds))


def test_annotators_who_agree_are_one_and_who_do_not_are_each_kept():
    agreed = read([task(1, "a.jpg", by(7, choice("crop", "bean")), by(8, choice("crop", "bean"), choice("ill", "no")))])
    assert said(agreed) == [("a.jpg", {"crop": "bean", "ill": "no"})]
    assert agreed.images[0].labels["crop"].author == "label-studio user 7, label-studio user 8"
    differ = [by(7, choice("crop", "bean")), by(8, choice("crop", "rice"))]
    assert said(read([task(1, "a.jpg", *differ)])) == [("a.jpg", {"crop": "bean"}), ("a.jpg", {"crop": "rice"})]
    differ[1]["ground_truth"] = True
    ruled = read([task(1, "a.jpg", *differ)])
    assert said(ruled) == [("a.jpg", {"crop": "rice"})]
    assert ruled.left_out == ("1 annotation beside a ground truth",)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("/data/upload/3/1a2b3c4d-leaf 1.jpg", "leaf 1.jpg"),
        ("/data/upload/leaf-1.jpg", "leaf-1.jpg"),
        ("/data/local-files/?d=photos/%EC%9E%8E.jpg", "photos/잎.jpg"),
        ("https://example.org/set/leaf%201.jpg?size=big", "set/leaf 1.jpg"),
        ("s3://bucket/set/leaf.jpg", "set/leaf.jpg"),
        ("photos/50%25 ?.jpg", "photos/50%25 ?.jpg"),
    ],
)
def test_the_address_of_an_image_is_read_as_its_name(url, name):
    assert image_name(url) == name


def test_the_image_is_what_most_tasks_call_a_file():
    tasks = [{"data": {"text": "a leaf", "photo": f"{k}.jpg"}, "annotations": []} for k in range(3)]
    found = read(tasks)
    assert [(one.where, one.image) for one in found.images] == [
        ("task 1", "0.jpg"),
        ("task 2", "1.jpg"),
        ("task 3", "2.jpg"),
    ]


def classified(label: str, **more: Any) -> dict[str, Any]:
    return {"_cls": "Classification", "label": label, **more}


def test_fields_of_fiftyone_are_labels_and_those_with_a_confidence_predictions():
    sample = {
        "_id": {"$oid": "5e"}, "filepath": "data/a.jpg", "tags": ["x"], "metadata": {"width": 3}, "plant": "p1",
        "crop": classified("bean", confidence=None, author="kim", reason="looked"),
        "size": {"_cls": "Regression", "value": 12.0},
        "found": {"_cls": "Classifications", "classifications": [classified("rust"), classified("mould")]},
        "guess": classified("rice", confidence=0.4), "boxes": {"_cls": "Detections", "detections": []},
    }  # fmt: skip
    (one,), left_out = (found := read({"samples": [sample]})).images, found.left_out
    assert (one.where, one.image, one.others) == ("sample 1", "data/a.jpg", {"plant": "p1", "tags": "x"})
    assert one.labels == {
        "crop": Said("bean", "kim", "looked"), "size": Said("12.0"), "found": Said("rust|mould")
    }  # fmt: skip
    assert left_out == (
        "`guess` of 1 sample, no label or a prediction",
        "`boxes` of 1 sample, no label or a prediction",
    )


def test_labels_json_of_fiftyone_has_classes_by_number():
    classes = ["bean", "rice"]
    labels = {"a": 1, "b": None, "c": [0, 1], "d": {"label": 0, "confidence": None}, "e": "maize"}
    found = read({"classes": classes, "labels": labels})
    assert [(one.image, values(one).get("ground_truth")) for one in found.images] == [
        ("a", "rice"), ("b", None), ("c", "bean|rice"), ("d", "bean"), ("e", "maize")
    ]  # fmt: skip
    with pytest.raises(InputError, match="`a` has the label 2, and the file only 2 classes"):
        read({"classes": classes, "labels": {"a": 2}})


def coco(annotations: list[dict[str, Any]], names: tuple[str, ...] = ("leaf",)) -> dict[str, Any]:
    images = [{"id": k, "file_name": f"{k}.jpg", "width": 4, "height": 3, "plant": f"p{k}"} for k in (1, 2)]
    return {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": k, "name": n} for k, n in enumerate(names)],
    }


def test_coco_has_attributes_and_categories():
    boxes = [
        {"id": 5, "image_id": 1, "category_id": 0, "attributes": {"ill": True, "size": 3}, "bbox": [0, 0, 1, 1]},
        {"id": 6, "image_id": 1, "category_id": 0, "attributes": {"ill": True, "crop": "bean"}},
        {"id": 7, "image_id": 2, "category_id": 0, "attributes": {"ill": False}, "score": 0.7},
    ]
    found = read(coco(boxes))
    assert said(found) == [("1.jpg", {"ill": "true", "size": "3", "crop": "bean"}), ("2.jpg", {})]
    assert found.images[0].others == {"plant": "p1"}
    assert found.left_out == ("1 annotation with a score, which are predictions",)
    several = read(coco([{"image_id": 1, "category_id": 1}, {"image_id": 1, "category_id": 0}], ("cat", "dog")))
    assert said(several)[0] == ("1.jpg", {"category": "cat|dog"})


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (coco([{"image_id": 9}]), "annotation None is of image 9, which is not listed"),
        (coco([{"image_id": 1, "category_id": 5}], ("a", "b")), "image 1: an annotation is of category 5"),
        (coco([{"id": 1}]), "`annotations.0.image_id` is not as COCO writes it"),
        ({"images": [{"id": 1}], "annotations": []}, "image 1: no `file_name`"),
        ({"samples": [{"id": 1}]}, "sample 1: no `filepath`"),
        ([{"data": {"image": 3}, "annotations": []}], "task 1: no `image` in its `data`"),
        ([task(1, "a.jpg", {"result": "none"})], "`0.annotations.0.result` is not as Label Studio writes it"),
        ({"samples": []}, "it names no image"),
        ({"a": 1}, "of none of the forms that are read, expected a list of tasks"),
    ],
)
def test_what_is_not_as_the_tool_writes_it_is_told(data, told):
    with pytest.raises(InputError, match=told):
        read(data)


def test_another_tools_file_is_told():
    with pytest.raises(InputError, match="looks like COCO's, expected a list of tasks") as error:
        read(coco([]), "label-studio")
    assert error.value.hint == "say `coco`"
    with pytest.raises(InputError, match="not JSON"):
        read_annotations(b"[{]", "coco")


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)
LABELS = st.fixed_dictionaries(
    {},
    optional={
        "crop": st.builds(Said, st.sampled_from(CROP.classes)),
        "size in cm": st.builds(Said, st.sampled_from(["0", "3", "0.30000000000000004", "0.0000001", "small"])),
    },
)


@st.composite
def records(draw: st.DrawFn) -> list[AnnotatedImage]:
    found = []
    for k in range(draw(st.integers(1, 4))):
        labels = draw(LABELS)
        if labels and draw(st.booleans()):
            labels["crop"] = Said("bean", draw(WORDS), draw(WORDS))
        guess = Guesses("01-run", 0.5, {"crop": Guess("bean", 0.25), "size in cm": Guess("small", 0.75, 7.0)})
        name = draw(st.sampled_from(["a.jpg", "photos/잎 %41?&=#.png", "x/y/z.jpeg"]))
        others = {"group": draw(WORDS)} if draw(st.booleans()) else {}
        found.append(AnnotatedImage("", f"{k}/{name}", labels, others, guess if draw(st.booleans()) else None))
    return found


def by_whom(one: AnnotatedImage) -> dict[str, tuple[str, str]]:
    """Author and reason of what has an author: by default Label Studio's reason is the number of the task."""
    return {name: (label.author, label.reason) for name, label in one.labels.items() if label.author}


@pytest.mark.parametrize("form", FORMATS)
@given(records())
def test_what_is_written_is_read_back_and_no_prediction_as_a_label(form, written):
    found = read(FORMATS[form].write(written, ATTRIBUTES), form)
    assert [(one.image, one.others) for one in found.images] == [(one.image, one.others) for one in written]
    for one, two in zip(found.images, written, strict=True):
        assert values(one) == values(two)
        assert by_whom(one) == by_whom(two)
    assert bool(found.left_out) == any(one.guesses for one in written)


def test_predictions_are_written_with_their_probabilities():
    guess = Guesses("01-run", 0.5, {"crop": Guess("bean", 0.25), "size in cm": Guess("small", 0.75, 7.0)})
    images = [AnnotatedImage("", "a.jpg", {}, {}, guess, (40, 30))]
    (studio,) = FORMATS["label-studio"].write(images, ATTRIBUTES)
    (prediction,) = studio["predictions"]
    assert (prediction["model_version"], prediction["score"]) == ("01-run", 0.5)
    assert [(r["value"], r["score"]) for r in prediction["result"]] == [
        ({"choices": ["bean"]}, 0.25), ({"number": 7}, 0.75)
    ]  # fmt: skip
    (sample,) = FORMATS["fiftyone"].write(images, ATTRIBUTES)["samples"]
    assert sample["predicted_size in cm"]["confidence"] == 0.75
    (annotation,) = FORMATS["coco"].write(images, ATTRIBUTES)["annotations"]
    assert (annotation["bbox"], annotation["area"]) == ([0, 0, 40, 30], 1200)
    assert (annotation["score"], annotation["attributes"]) == (0.5, {"crop": "bean", "size in cm": "small"})


def test_the_labelling_interface_has_every_class():
    text = interface([CROP, SIZE])
    assert '<Choice value="maize &amp; rice"/>' in text
    assert "<Choice value='\"oats\"'/>" in text
    assert '<Number name="size in cm" toName="image" min="0" max="99.5"/>' in text


def test_a_table_has_a_free_column_for_images():
    found = read([task(1, "a.jpg", by("kim", choice("image", "sharp")), author="x", reason="y")])
    table, faults = annotation_table(found, b"", "t.json")
    assert faults == []
    assert table is not None
    assert table.columns == ("image_", "author", "reason", "image", "author_", "reason_")
    assert table.rows[0].cells["image_"] == "a.jpg"
    assert table.at(table.rows[0]) == "t.json, task 1"
