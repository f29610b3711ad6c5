"""Recipes: every technique as one line of typed TOML."""

from facetwise.recipe.load import Recipe, load_recipe, recipe_toml

__all__ = ["Recipe", "load_recipe", "recipe_toml"]
