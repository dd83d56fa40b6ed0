"""Do scores rise with isotropy, over the weights of each regularizer that were tried on the validation tasks?"""

from collections.abc import Sequence

import numpy as np

from evaluation.report.grid_ends import Candidate
from evaluation.report.measures import LOWER_IS_MORE_ISOTROPIC
from evaluation.report.summary import NONE, TransferAnswer
from evaluation.statistics.dose_response import dose_response

FEWEST_FOR_A_CORRELATION = 3  # doses; a rank correlation over two says nothing


def transfer_answers(tuning: Sequence[Candidate]) -> list[TransferAnswer]:
    """Test, for each regularizer and isotropy measure, whether weights that raise isotropy raise the validation score.

    All doses are at the learning rate and temperature that were chosen for the regularizer; the objective alone is a
    dose of 0, unless the variant has an objective of its own.

    Args:
        tuning: Every setting that was tried.
    """
    variants = list(dict.fromkeys(candidate.variant for candidate in tuning))
    chosen = sorted((one for one in tuning if one.chosen), key=lambda one: variants.index(one.variant))
    answers = []
    for setting in chosen:
        doses = [
            dose for dose in tuning if dose.variant in (NONE, setting.variant) and dose.conditions == setting.conditions
        ]
        if setting.variant == NONE or len(doses) < FEWEST_FOR_A_CORRELATION:
            continue
        seeds = min(len(dose.scores) for dose in doses)  # the objective alone has more
        scores = np.array([dose.scores[:seeds] for dose in doses]).T
        for metric in doses[0].isotropy:
            sign = -1 if metric in LOWER_IS_MORE_ISOTROPIC else 1
            isotropy = sign * np.array([dose.isotropy[metric][:seeds] for dose in doses]).T
            answers.append(TransferAnswer(setting.variant, metric, dose_response(isotropy, scores)))
    return answers
