"""Tools of the project beside the product."""
