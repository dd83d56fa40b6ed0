"""Models of other kinds than a `SentenceTransformer`, and why their embeddings are no cloud."""

_REASONS = {
    "SparseEncoder": "which gives each text a number for every token of its vocabulary, nearly all of them 0",
    "MultiVectorEncoder": "which gives each text an embedding for every token and none for the whole",
    "CrossEncoder": "which scores pairs of texts and embeds none",
}


def with_reason(kind: str) -> str:
    """The name of a kind of models and, where it is a known one, why it has no dense embeddings of texts.

    Examples:
        >>> with_reason("CrossEncoder"), with_reason("Linear")
        ('CrossEncoder, which scores pairs of texts and embeds none', 'Linear')
    """
    return ", ".join(filter(None, (kind, _REASONS.get(kind, ""))))
