"""Start models, and the embeddings that they encode."""
