"""BibTeX of the methods, for model cards."""


def bibtex(key: str, title: str, authors: str, year: int, arxiv: str) -> str:
    """Write the entry of an arXiv paper."""
    return f"""
@misc{{{key},
    title={{{title}}},
    author={{{authors}}},
    year={{{year}}},
    eprint={{{arxiv}}},
    archivePrefix={{arXiv}},
    url={{https://arxiv.org/abs/{arxiv}}},
}}
"""


KUDRIASHOV_2025 = bibtex(
    "kudriashov2025shrink",
    "Shrink the longest: improving latent space isotropy with simplicial geometry",
    "Sergei Kudriashov and Olesya Karpik and Eduard Klyshinsky",
    2025,
    "2501.05502",
)
MORDACQ_2025 = bibtex(
    "mordacq2025tregs",
    "T-REGS: Minimum Spanning Tree Regularization for Self-Supervised Learning",
    "Mordacq, Julie and Loiseaux, David and Kalogeiton, Vicky and Oudot, Steve",
    2025,
    "2510.23484",
)
SABLAYROLLES_2018 = bibtex(
    "sablayrolles2018spreading",
    "Spreading vectors for similarity search",
    "Sablayrolles, Alexandre and Douze, Matthijs and Schmid, Cordelia and Jégou, Hervé",
    2018,
    "1806.03198",
)
WANG_2020 = bibtex(
    "wang2020understanding",
    "Understanding Contrastive Representation Learning through Alignment and Uniformity on the Hypersphere",
    "Wang, Tongzhou and Isola, Phillip",
    2020,
    "2005.10242",
)
GAO_2019 = bibtex(
    "gao2019representation",
    "Representation Degeneration Problem in Training Natural Language Generation Models",
    "Gao, Jun and He, Di and Tan, Xu and Qin, Tao and Wang, Liwei and Liu, Tie-Yan",
    2019,
    "1907.12009",
)
BARDES_2022 = bibtex(
    "bardes2022vicreg",
    "VICReg: Variance-Invariance-Covariance Regularization for Self-Supervised Learning",
    "Bardes, Adrien and Ponce, Jean and LeCun, Yann",
    2022,
    "2105.04906",
)
RUDMAN_2024 = bibtex(
    "rudman2024stable",
    "Stable Anisotropic Regularization",
    "Rudman, William and Eickhoff, Carsten",
    2024,
    "2305.19358",
)
BALESTRIERO_2025 = bibtex(
    "balestriero2025lejepa",
    "LeJEPA: Provable and Scalable Self-Supervised Learning Without the Heuristics",
    "Balestriero, Randall and LeCun, Yann",
    2025,
    "2511.08544",
)
GAO_2021 = bibtex(
    "gao2021scaling",
    "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup",
    "Gao, Luyu and Zhang, Yunyi and Han, Jiawei and Callan, Jamie",
    2021,
    "2101.06983",
)
