"""What the gallery shows: packaged models on docstrings, treated in several ways, drawn to files."""

from collections.abc import Sequence

import torch
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from torch import Tensor

from evaluation.data.docstrings import Corpus, DocPair, docstring_corpus, positive_pairs
from evaluation.documentation.figures import drawn
from evaluation.documentation.gallery import CodeScore, barcodes, cones, one_bit_codes
from evaluation.documentation.results import ROOT
from evaluation.files import cache_root, write_text
from evaluation.models.load import load_model
from evaluation.report.plots import Plot
from st_isotropy.improve import Judgment, SearchTexts, encode_search
from st_isotropy.improve.maps import AffineMap
from st_isotropy.losses import AlignmentLoss, PersistentEntropyLoss
from st_isotropy.posthoc import Whitening
from st_isotropy.regularizers import PersistentEntropy
from st_isotropy.regularizers.persistent_entropy import Scale

ASSETS = ROOT / "docs" / "assets"
PACKAGES = ("scipy", "pandas")  # of which constraints.txt says the version
MODELS = ("static", "glove", "minilm")
TEXTS_OF_A_BARCODE = 48
WHITENING = Whitening(shrinkage=0.1)


def write_gallery() -> None:
    """Draw every picture into its file."""
    corpus = docstring_corpus(cache_root(), PACKAGES)
    for name, plot in (
        ("gallery-barcodes", _draw_barcodes(corpus)),
        ("gallery-cones", _draw_cones(corpus)),
        ("gallery-one-bit", _draw_codes(corpus)),
    ):
        write_text(ASSETS / f"{name}.svg", drawn(plot, name))


def _draw_barcodes(corpus: Corpus) -> Plot:
    texts = _spread(corpus.test, TEXTS_OF_A_BARCODE)
    return barcodes({name: _encode(load_model(name), texts) for name in MODELS})


def _draw_cones(corpus: Corpus) -> Plot:
    shown = [pair.rest for pair in corpus.test]
    whitened = load_model("static")
    whitened.append(WHITENING.fit(whitened, [pair.rest for pair in corpus.train]))
    models = {
        "as it is": load_model("static"),
        "trained, relative entropy": train_on_positives(corpus, "relative"),
        "trained, absolute entropy": train_on_positives(corpus, "absolute"),
        "whitened, not trained": whitened,
    }
    return cones({name: _encode(model, shown) for name, model in models.items()})


def train_on_positives(corpus: Corpus, scale: Scale) -> SentenceTransformer:
    """Train the static encoder on positive pairs alone, as the tutorial does, beside entropy on one of its scales."""
    model = load_model("static").float()
    loss = PersistentEntropyLoss(model, AlignmentLoss(model), regularizer=PersistentEntropy(scale=scale))
    arguments = SentenceTransformerTrainingArguments(
        str(cache_root() / "gallery"),
        num_train_epochs=10,
        per_device_train_batch_size=128,
        learning_rate=1e-2,
        warmup_steps=0.1,
        save_strategy="no",
        logging_strategy="no",
        report_to=[],
    )
    SentenceTransformerTrainer(model, arguments, positive_pairs(corpus), loss=loss).train()
    return model


def _draw_codes(corpus: Corpus) -> Plot:
    return one_bit_codes([score for name in MODELS for score in code_scores(name, load_model(name), corpus)])


def code_scores(name: str, model: SentenceTransformer, corpus: Corpus) -> list[CodeScore]:
    """Score held-out questions to held-out texts, as the model is and whitened on other texts."""
    answers = tuple(Judgment({row: 1.0}) for row in range(len(corpus.test)))
    texts = SearchTexts([pair.rest for pair in corpus.test], [pair.first for pair in corpus.test], answers)
    task = encode_search(model, texts)
    whitening = WHITENING.fit(model, [pair.rest for pair in corpus.train])
    maps = {name: AffineMap.keeping(task.width, task.width), f"{name}, whitened": AffineMap.of_dense(whitening)}
    return [
        CodeScore(label, 100 * task.evaluate(map_)[:, 0].mean(), 100 * task.evaluate(map_, "binary")[:, 0].mean())
        for label, map_ in maps.items()
    ]


def _spread(pairs: Sequence[DocPair], count: int) -> list[str]:
    """Texts from all over the corpus."""
    return [pairs[place].rest for place in torch.linspace(0, len(pairs) - 1, count).int().tolist()]


def _encode(model: SentenceTransformer, texts: list[str]) -> Tensor:
    return torch.as_tensor(model.encode_document(texts, convert_to_tensor=True)).detach().cpu().float()
