"""The spec: a graph as frozen records, and its dict, JSON and YAML forms. It knows no code, only names."""
