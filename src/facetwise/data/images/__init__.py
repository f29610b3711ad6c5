"""Image files: looking into them, decoding and cropping them once, copies among them."""
