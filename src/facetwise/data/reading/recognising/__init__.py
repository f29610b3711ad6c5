"""From a folder of photos to a proposed project file: a recogniser a way in which labels are given."""
