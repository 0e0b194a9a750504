"""Models, the routers that pass events on to them, and ensembles that let them vote. It knows nothing of graphs."""
