"""What the json files of artefacts hold, as typed records: one model for writers, readers and packs alike."""
