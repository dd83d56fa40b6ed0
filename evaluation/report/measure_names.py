"""What reports call the isotropy measures, and which way is more isotropic."""

SHOWN = {
    "isoscore": "IsoScore",
    "persistent_entropy": "persistent entropy of H0",
    "mean_mst_length": "mean MST length",
    "hubness_skewness": "hubness skewness (k = 10)",
}
LOWER_IS_MORE_ISOTROPIC = {"average_cosine", "hubness_skewness", "first_component_share"}


def measure_name(measure: str) -> str:
    """An isotropy measure as reports name it.

    Example:
        >>> measure_name("isoscore"), measure_name("effective_rank")
        ('IsoScore', 'effective rank')
    """
    return SHOWN.get(measure) or measure.replace("_", " ")
