"""Where two predictors answer otherwise: side by side, image by image, many at once."""
