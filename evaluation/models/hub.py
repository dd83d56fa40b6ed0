"""Whether the Hugging Face hub can be reached: tried once, briefly, before a library retries for minutes."""

from functools import cache

from huggingface_hub import constants, get_session

TIMEOUT = 4.0  # seconds; the libraries' own retries take 28 s for a data set and 70 s for a model


@cache
def hub_reachable() -> bool:
    """Whether the hub answers within `TIMEOUT` seconds; False in offline mode (HF_HUB_OFFLINE), without asking."""
    if constants.is_offline_mode():
        return False
    try:
        get_session().head(constants.ENDPOINT, timeout=TIMEOUT)
    except Exception:  # the type depends on which HTTP client this version of the hub library uses
        return False
    return True
