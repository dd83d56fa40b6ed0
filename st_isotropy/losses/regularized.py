"""The sentence-transformers face: any training objective plus weighted regularizers, in one forward pass."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

import torch
from sentence_transformers import MultiVectorEncoder, SentenceTransformer
from sentence_transformers.base.losses import uses_gradient_cache
from torch import Tensor, nn

from st_isotropy.losses.capture import (
    batch_passes,
    count_rows,
    intercepted_gradient_cache,
    nested_losses,
    recorded_forward,
    without_guidance,
)
from st_isotropy.losses.checks import (
    Level,
    WeightArgument,
    check_base_loss,
    check_choice,
    check_model,
    check_names,
    check_token_level,
    pair_weights,
    warn_of_collapse,
)
from st_isotropy.losses.clouds import CloudKind, Column
from st_isotropy.losses.penalties import Penalties, gradients
from st_isotropy.losses.terms import LossTerms
from st_isotropy.losses.text_keys import text_keys
from st_isotropy.losses.tokens import TokenLayers
from st_isotropy.regularizers import Regularizer
from st_isotropy.unwrap import unwrap


@dataclass(frozen=True)
class _CachedBatch:
    """What `calculate_loss` needs to know about the batch besides the embeddings."""

    calculate_loss: Callable[..., Any]
    keys: list[Tensor | None]
    labels: Tensor | None


class RegularizedLoss(nn.Module):
    """Any sentence-transformers loss plus weighted regularizers on the embeddings it computes anyway.

    The base loss runs unchanged and its encoder is observed, so the encoder runs no more often than without the
    regularizers. Gradient-cached losses pass the whole logical batch through their own cache. Modifiers nest both
    ways: around `MatryoshkaLoss` the term acts on the output before truncation, inside it at every dimension.

    Args:
        model: The model being trained; the one the base loss was built with. At token level also a
            `MultiVectorEncoder`.
        loss: The base loss.
        regularizer: A regularizer, or a list of `(regularizer, weight)` pairs.
        weight: Weight of a single regularizer (1.0 if not given): a number, a `WeightSchedule`, or `"auto"` for a
            `BalancedWeight`. A negative number is a control that maximizes the penalty. In evaluation, where there
            are no gradients to balance, `"auto"` reports the penalty unweighted.
        cloud: Which embeddings form a point cloud. `columns`: each input column its own. `anchors`: the first column
            alone. `queries-documents`: the first column, and all others together. `joint`: all columns together, which
            makes positive pairs the shortest bars. `labels`: each column split by integer labels. Identical texts
            count once; clouds of fewer than three points, with entropy on the absolute scale of fewer than two, are
            left out, and where none is left the penalty is 0.
        level: `sentence` embeddings or contextual `token` embeddings; of a `MultiVectorEncoder` the tokens that it
            scores, in the projection it scores them in.
        layers: Hidden layers whose tokens are regularized; 0 is the embedding layer, -1 the last.
        max_points: At most this many tokens form a cloud, drawn anew in each step that `GeometryCallback` passes on;
            in evaluation the same for the same batch.
        reduction: `mean` or `sum` of the penalties of all clouds.
        gather_across_devices: Form the clouds from the batches of all processes.

    Raises:
        ValueError: For a weight or option that is not defined, or a base loss that cannot be wrapped; the text says
            why.

    Examples:
        >>> from sentence_transformers.sentence_transformer import losses
        >>> from st_isotropy import PersistentEntropy
        >>> base = losses.CosineSimilarityLoss(model)
        >>> loss = RegularizedLoss(model, base, PersistentEntropy(), weight=30.0)
        >>> columns = ["a cat", "two dogs", "the sun"], ["cats", "dogs", "moon"]
        >>> features = [model.preprocess(column) for column in columns]
        >>> sorted(loss(features, torch.tensor([1.0, 0.5, 0.0])))
        ['base_loss', 'persistent_entropy_loss']
    """

    penalties: Penalties

    def __init__(
        self,
        model: SentenceTransformer | MultiVectorEncoder,
        loss: nn.Module,
        regularizer: Regularizer | Sequence[tuple[Regularizer, WeightArgument]],
        weight: WeightArgument | None = None,
        *,
        cloud: CloudKind = "columns",
        level: Level = "sentence",
        layers: Sequence[int] = (-1,),
        max_points: int = 512,
        reduction: Literal["mean", "sum"] = "mean",
        gather_across_devices: bool = False,
    ) -> None:
        super().__init__()
        check_choice("level", level, get_args(Level))
        check_model(model, level)
        self._encoder_place = check_base_loss(model, loss)
        check_choice("cloud", cloud, get_args(CloudKind))
        check_choice("reduction", reduction, ("mean", "sum"))
        self.model = model
        self.loss = loss
        self.uses_gradient_cache = uses_gradient_cache(loss)
        tokens = None
        if level == "token":
            check_token_level(loss, gather_across_devices)
            if isinstance(layers, int):
                raise TypeError(f"The option layers is {layers}; it lists hidden layers, so write layers=[{layers}].")
            tokens = TokenLayers.of(unwrap(model), tuple(layers), max_points)
        regularizers = pair_weights(regularizer, weight)
        inner = [pair for nested in _regularized_in(loss) for pair in nested.penalties.regularizers]
        terms = [term for term, _ in (*regularizers, *inner)]
        check_names([term.name for term in terms])
        warn_of_collapse(loss, terms)
        self.penalties = Penalties(regularizers, cloud, tokens, reduction, gather_across_devices)
        self._cached_batch: _CachedBatch | None = None

    def forward(self, sentence_features: Iterable[dict[str, Tensor]], labels: Tensor | None = None) -> LossTerms:
        """Compute the base loss and the weighted penalties of one batch.

        Args:
            sentence_features: One feature dict per input column, as the trainer's collator makes them.
            labels: Labels of the base loss.

        Returns:
            The terms of the base loss (`base_loss`, or its own keys if it returns a dict) and one
            `<regularizer name>_loss` per regularizer, already weighted, as 0-dim tensors.

        Raises:
            ValueError: If an embedding is NaN or infinite, naming the column and, where `GeometryCallback` passes it
                on, the global step; or if a penalty is not a finite 0-dim tensor, naming the regularizer.
        """
        features = list(sentence_features)
        if self.uses_gradient_cache:
            return self._forward_cached(features, labels)
        encoder = self._encoder_place.encoder(self.loss)
        batch_size = count_rows(features[0])
        tokens = self.penalties.tokens
        with tokens.exposed(self.model) if tokens else nullcontext(), recorded_forward(encoder, tokens) as passes:
            base = LossTerms.of(self.loss(features, labels))
        if not passes:
            raise ValueError(f"{type(self.loss).__name__} did not call its model, so there is nothing to regularize.")
        sweep = [forward_pass.rows for forward_pass in batch_passes(without_guidance(passes), features)]
        for rows in sweep:
            if len(rows.embeddings) % batch_size:
                raise ValueError(
                    f"{type(self.loss).__name__} called its model on {len(rows.embeddings)} inputs, while the columns "
                    f"of the batch have {batch_size}, so they cannot be separated; let the loss encode whole columns."
                )
        columns = [column for rows in sweep for column in rows.split(batch_size)]
        sources = [part for rows in sweep for part in rows.layers or (rows.embeddings,)]
        return base + self.penalties.terms(columns, labels, sources, lambda: gradients(base.total, sources))

    def _apply(self, *arguments: Any, **options: Any) -> "RegularizedLoss":
        """Forget the step of a training that was interrupted when another trainer moves the loss to its device."""
        self.penalties.end_training()
        return super()._apply(*arguments, **options)

    def compute_loss_from_embeddings(self, embeddings: Sequence[Tensor], labels: Any = None) -> LossTerms:
        """Compute the base loss and the weighted penalties of embeddings that are there already.

        Texts are not seen here, so a text that occurs twice in a cloud counts twice.

        Args:
            embeddings: One tensor of shape `(rows, d)` per input column.
            labels: What the base loss's own `compute_loss_from_embeddings` takes: labels, or a teacher's embeddings.

        Returns:
            The terms, as from `forward`.

        Raises:
            ValueError: If the base loss has no such method, or the loss is at token level; for bad embeddings as from
                `forward`.

        Examples:
            >>> from sentence_transformers.sentence_transformer import losses
            >>> from st_isotropy import PersistentEntropy
            >>> base = losses.CosineSimilarityLoss(model)
            >>> loss = RegularizedLoss(model, base, PersistentEntropy())
            >>> columns = [torch.eye(4), torch.eye(4)]
            >>> terms = loss.compute_loss_from_embeddings(columns, torch.ones(4))
            >>> {name: round(term.item(), 4) for name, term in terms.items()}
            {'base_loss': 0.0, 'persistent_entropy_loss': 0.0}
        """
        base_loss: Any = self.loss
        if not hasattr(base_loss, "compute_loss_from_embeddings"):
            raise ValueError(
                f"{type(base_loss).__name__} has no compute_loss_from_embeddings, so it cannot be computed from given "
                "embeddings; call the loss on the features of a batch."
            )
        if self.penalties.tokens is not None:
            raise ValueError(
                'The option level="token" needs the tokens, which given sentence embeddings do not hold; call the '
                "loss on the features of a batch."
            )
        base = LossTerms.of(base_loss.compute_loss_from_embeddings(embeddings, labels))
        columns, sources = [Column(rows) for rows in embeddings], list(embeddings)
        return base + self.penalties.terms(columns, labels, sources, lambda: gradients(base.total, sources))

    def _forward_cached(self, features: list[dict[str, Tensor]], labels: Tensor | None) -> LossTerms:
        computed: list[LossTerms] = []

        def calculate_loss(*args: Any, **kwargs: Any) -> Tensor:
            # Through the attribute, because MatryoshkaLoss around this loss decorates it.
            computed.append(LossTerms.of(self.calculate_loss(*args, **kwargs)))
            return computed[-1].total

        keys = [text_keys(column) for column in features]
        with intercepted_gradient_cache(self.loss, calculate_loss) as original:
            self._cached_batch = _CachedBatch(original, keys, labels)
            try:
                total = LossTerms.of(self.loss(features, labels)).total
            finally:
                self._cached_batch = None
        terms = computed[-1].detach()
        # The gradient of all terms hangs on the cached loss's total alone; add it to one term as a zero.
        first = next(iter(terms))
        terms[first] = terms[first] + (total - total.detach())
        return terms

    def calculate_loss(
        self, reps: list[list[Tensor]], *args: Any, with_backward: bool = False, **kwargs: Any
    ) -> LossTerms:
        """Add the penalties to the `calculate_loss` of a gradient-cached base loss; see `CachedLossMixin`."""
        batch = self._cached_batch
        assert batch is not None  # set by forward
        base = LossTerms.of(batch.calculate_loss(reps, *args, with_backward=with_backward, **kwargs))
        columns = [Column(torch.cat(parts), keys) for parts, keys in zip(reps, batch.keys, strict=True)]
        sources = [part for parts in reps for part in parts]
        if not with_backward:
            return base + self.penalties.terms(columns, batch.labels, sources, lambda: gradients(base.total, sources))
        # The base loss has back-propagated already; its gradient must be read before ours joins it.
        terms = self.penalties.terms(columns, batch.labels, sources, lambda: [part.grad for part in sources])
        terms.backward()
        return base + terms.detach()

    def get_config_dict(self) -> dict[str, Any]:
        """Describe the loss for the model card."""
        penalties, tokens = self.penalties, self.penalties.tokens
        config = {
            "loss": _described(self.loss),
            "regularizers": [f"{weight!r} * {regularizer!r}" for regularizer, weight in penalties.regularizers],
            "cloud": penalties.cloud,
            "level": "token" if tokens else "sentence",
            "reduction": penalties.reduction,
            "gather_across_devices": penalties.gather_across_devices,
        }
        return config | ({"layers": tokens.layers, "max_points": tokens.max_points} if tokens else {})

    @property
    def citation(self) -> str:
        """BibTeX of every regularizer, those of regularized losses inside it too."""
        nested = _regularized_in(self)
        cited = [term.citation.strip() for part in nested for term, _ in part.penalties.regularizers if term.citation]
        return "\n".join(dict.fromkeys(cited))


def _regularized_in(loss: nn.Module) -> list[RegularizedLoss]:
    return [part for part in nested_losses(loss) if isinstance(part, RegularizedLoss)]


def _described(module: nn.Module) -> str:
    """A loss and its options; sentence-transformers would write out every layer of a guide among them."""
    options = cast(Any, module).get_config_dict() if hasattr(module, "get_config_dict") else {}
    named = [
        f"{key}={_described(option) if isinstance(option, nn.Module) else repr(option)}"
        for key, option in options.items()
    ]
    return f"{type(module).__name__}({', '.join(named)})" if named else type(module).__name__
