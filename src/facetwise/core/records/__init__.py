"""The JSON files of artefacts as typed records: one model for writers, readers and packs."""
