"""A diagnosis as plain text, for a terminal."""

from collections.abc import Callable

from st_isotropy.diagnosis.diagnosis import REMEDY_MEASURES, Diagnosis, format_value


def format_table(diagnosis: Diagnosis) -> str:
    """Lay a diagnosis out as plain text, at most 110 columns wide."""
    about = f"{diagnosis.rows:,} embeddings × {diagnosis.dimensions} dimensions, {diagnosis.similarity} similarity"
    lines = [
        f"Isotropy of {diagnosis.source}",
        about + (f", {diagnosis.queries:,} queries" * bool(diagnosis.queries)),
        "",
    ]
    header = ("measure", "value", "isotropic", "", "reading")
    rows = [
        (
            name,
            format_value(measure.value),
            format_value(measure.isotropic),
            ("", "!", "!!")[measure.level],
            measure.reading,
        )
        for name, measure in diagnosis.measures.items()
    ]
    lines += align_columns([header, *rows], align="<>><<")
    if diagnosis.rows > diagnosis.sample_size:
        lines.append(f"Barcode, uniformity and intrinsic dimension: a seeded sample of {diagnosis.sample_size:,} rows.")
    lines += ["", "What stands out"]
    for defect in diagnosis.defects:
        lines += [f"  {defect.name} ({'strong' if defect.level == 2 else 'mild'}): {'; '.join(defect.evidence)}"]
        lines += [f"    {defect.advice}"]
    if not diagnosis.defects:
        lines.append("  Nothing: no measure is beyond its rule of thumb.")
    lines += ["", "What a post-hoc transform would change (fitted on one half of the sample, measured on the other)"]
    lines += align_columns(
        [
            ("", *diagnosis.transforms),
            *(
                (name, *(format_value(outcome[name].value) for outcome in diagnosis.transforms.values()))
                for name in REMEDY_MEASURES
            ),
        ],
        align="<" + ">" * len(diagnosis.transforms),
    )
    lines.append("More isotropic is not more useful: check your tasks before and after, with `st-isotropy improve`.")
    return "\n".join(line.rstrip() for line in lines)


def align_columns(rows: list[tuple[str, ...]], align: str) -> list[str]:
    """Pad cells to columns, each to the left (`<`) or right (`>`)."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    place: dict[str, Callable[[str, int], str]] = {"<": str.ljust, ">": str.rjust}
    return [
        "  " + "  ".join(place[side](cell, width) for cell, width, side in zip(row, widths, align, strict=True))
        for row in rows
    ]
