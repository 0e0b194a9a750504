"""Cases: events with the answers that are expected, kept in small YAML files and replayed anywhere."""
