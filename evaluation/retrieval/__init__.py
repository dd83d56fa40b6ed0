"""FAISS indexes on saved embeddings."""
