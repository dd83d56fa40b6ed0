"""The mkdocs hook that fills in what is generated: parts of pages, the page of each study, the colors of plots."""

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from evaluation.documentation.figures import stylesheet
from evaluation.documentation.generated import filled
from evaluation.documentation.results import studies
from evaluation.documentation.study_pages import study_page


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page of each study and the stylesheet."""
    for study in studies():
        files.append(File.generated(config, f"results/{study.name}.md", content=study_page(study)))
    files.append(File.generated(config, "assets/plots.css", content=stylesheet()))
    return files


def on_page_markdown(markdown: str, **kwargs: object) -> str:
    """Fill in the generated parts of a page."""
    return filled(markdown)
