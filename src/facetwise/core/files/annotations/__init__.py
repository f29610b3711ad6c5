"""Labels as annotation tools write them: Label Studio, FiftyOne and COCO-like JSON, read and written."""
