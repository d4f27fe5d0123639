"""Pictures described for models that take none."""
