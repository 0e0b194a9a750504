"""The core runtime: a plan bound to live objects, and one machine that takes events through it."""
