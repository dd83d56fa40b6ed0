"""Start models × regimes × regularizers × seeds: from a TOML file to a report."""
