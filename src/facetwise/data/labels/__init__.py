"""Labels of training images: scored and training view, and the overlay of corrections."""
