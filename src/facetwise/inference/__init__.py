"""Networks applied to images: nothing here trains."""
