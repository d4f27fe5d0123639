"""Programs of this project, started as forks of processes that have imported what they need."""
