"""The post-hoc transforms that a study compares training with, by name; none of them is tuned."""

from st_isotropy.posthoc import AllButTheTop, Center, PostHoc, ProjectOutMean, SpectralPower, Whitening

POSTHOC: dict[str, PostHoc] = {
    "center": Center(),
    "project_out_mean": ProjectOutMean(),
    "all_but_the_top": AllButTheTop(),
    "spectral_power": SpectralPower(gamma=0.5),
    "whitening": Whitening(shrinkage=0.1),
}
