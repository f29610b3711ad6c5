"""Values of options of the API and the CLI, in a module light enough for the list of commands to import."""

from typing import Literal

Metric = Literal["macro_f1", "accuracy", "balanced_accuracy"]
"""What a project may choose by."""
Tta = Literal["none", "flip", "crops", "flip-crops"]
"""Test-time augmentation."""
BlendBy = Literal["auto", "whole", "attribute"]
"""What a blend adds up: joint probabilities, or those of each attribute by itself."""
BlendMethod = Literal["soft", "geometric", "hard", "rank"]
"""How votes are added up."""
Weighting = Literal["greedy", "equal"]
"""Where a blend's weights come from."""
SuspectMethod = Literal["margin", "cleanlab", "neighbours"]
"""How labels that may be wrong are ranked."""
Pruner = Literal["median", "none"]
"""When a search stops a trial early."""
Fit = Literal["stretch", "letterbox", "crop"]
"""How a crop of another shape becomes the network's input."""
WithoutBox = Literal["error", "whole", "median"]
"""What becomes of an image without a box."""
WeightsTask = Literal["finetune", "frozen"]
"""What pretrained weights are for: all of them train, or the head alone on their features."""
LabelFormat = Literal["label-studio", "fiftyone", "coco"]
"""Tools whose annotations are read and written."""
Encoding = Literal[
    "utf-8",
    "utf-16",
    "cp949",
    "cp932",
    "gb18030",
    "big5",
    "cp1252",
    "cp1250",
    "latin2",
    "cp1251",
    "cp1253",
    "cp1254",
    "cp1257",
]
"""What a table is written in."""
