"""A long run of many turns at once, with faults: nothing may be lost, mixed up or left."""
