"""What is wrong with a model's embeddings, and what could help: `st-isotropy diagnose`."""
