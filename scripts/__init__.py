"""Development tools: they check the product and are not part of it."""
