"""The step library: filters, batches, joins, calls over HTTP. Each class is usable by name; none knows the runtime."""
