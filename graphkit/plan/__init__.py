"""The plan: a spec with its edges resolved, checked as a whole, and cut into straight runs."""
