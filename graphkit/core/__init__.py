"""The ground floor: errors, events, the context, paths and expressions. It knows nothing of graphs."""
