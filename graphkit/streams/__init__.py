"""Queue drivers, chosen by the scheme of a URL. They know bodies and consumers, nothing of graphs."""
