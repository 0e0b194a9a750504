"""The Open Inference Protocol: typed tensors around a graph that itself sees plain data. Knows nothing of HTTP."""
