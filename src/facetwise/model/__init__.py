"""Networks: a timm backbone and a head laid out by the label space."""
