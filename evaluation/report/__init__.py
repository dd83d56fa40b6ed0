"""A finished run for its readers: summary, tables, plots, terminal, Markdown and HTML."""
