"""Choices of tasks that have a short name."""

# About 14 minutes per model on two cores with all-MiniLM-L6-v2. BIOSSES, with its 100 pairs, only shows the noise.
QUICK = (
    "STSBenchmark",
    "SICK-R",
    "BIOSSES",
    "STS15",
    "Banking77Classification",
    "AmazonCounterfactualClassification[en]:test",
    "TwitterSemEval2015",
    "StackExchangeClustering.v2",
    "ArXivHierarchicalClusteringS2S",
    "AskUbuntuDupQuestions",
    "NanoMSMARCORetrieval",
    "NanoSCIDOCSRetrieval",
    "NanoQuoraRetrieval",
    "NanoFiQA2018Retrieval",
)

PRESETS: dict[str, tuple[str, ...]] = {
    "quick": QUICK,
    "nanobeir": ("NanoBEIR",),  # 13 tasks of 50 queries each: pool the queries, as one task alone is too small
    "full": ("MTEB(eng, v2)",),  # 41 tasks; for a GPU
}
