"""What is known of whoever predicts: frozen objects that every screen renders, and the words for their numbers."""
