"""Labels of training images: the two views of them, and the overlay of corrections."""
