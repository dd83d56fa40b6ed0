"""Post-hoc transforms: fitted once on text, appended to a model as an ordinary sentence-transformers `Dense` module.

All of them are affine, so a model saved with one loads without this package and gives the same vectors. Fit on text
that the model is not evaluated on. The output is not normalized, but its mean norm on the embeddings that the transform
is fitted to is what it was before: one factor, which changes no cosine. A classifier on the embeddings is regularized,
so that it would gain or lose by another scale alone.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense
from torch import Tensor

from st_isotropy.distinct import distinct_inputs
from st_isotropy.kinds import with_reason
from st_isotropy.metrics.cloud import BLOCK_ROWS, Cloud, Points, as_cloud
from st_isotropy.metrics.rows import as_rows
from st_isotropy.unwrap import unwrap

# A model accumulates rounding: directions with less than this share of the largest variance are left out, too.
_ROUNDING = 1e-10


class PostHoc(ABC):
    """An affine map of embeddings that is fitted to a sample of them.

    A subclass says how the map is found; fitting, checking and packing it as a module is the same for all.

    Examples:
        >>> class Rotate(PostHoc):
        ...     def affine(self, cloud):
        ...         directions = cloud.principal[1]
        ...         return directions.T, torch.zeros_like(cloud.mean)
        >>> Rotate().fit_embeddings(torch.eye(3)).linear.weight.shape
        torch.Size([3, 3])
    """

    @abstractmethod
    def affine(self, cloud: Cloud) -> tuple[Tensor, Tensor]:
        """Find the map of a cloud up to a factor: a matrix `(k, d)` and a vector `(k,)`, float64, `y = A x + b`."""

    def fit(self, model: SentenceTransformer, texts: Sequence[Any], batch_size: int = 32) -> Dense:
        """Fit the map to a model's embeddings of texts.

        Args:
            model: The model; it is not changed. The map acts before a `truncate_dim`, as every module does.
            texts: Texts that the model will not be evaluated on, or what else it encodes, such as images; encoded as
                documents. Repeated ones count once.
            batch_size: Texts per forward pass.

        Returns:
            A `Dense` module with identity activation and the model's precision, for `model.append(...)`.

        Raises:
            ValueError: If the model is of another kind, the texts are no list or too few, an embedding is not finite,
                or an option is out of range.

        Examples:
            >>> texts = ["a cat", "two dogs", "the sun"]
            >>> _ = model.append(Whitening(shrinkage=0.1).fit(model, texts))
            >>> type(model[-1]).__name__
            'Dense'
        """
        if isinstance(texts, str):
            raise ValueError("A transform is fitted on a list of texts, but this is a single string.")
        model = unwrap(model)
        if not isinstance(model, SentenceTransformer):
            raise ValueError(
                "A transform is fitted to the embeddings of a SentenceTransformer, not of a "
                f"{with_reason(type(model).__name__)}."
            )
        distinct = distinct_inputs(texts)
        if len(distinct) < 2:
            found = "is 1" if distinct else "are none"
            raise ValueError(f"A transform is fitted to at least 2 different texts, but there {found}; give more.")
        with model.truncate_embeddings(None):
            embeddings = model.encode_document(distinct, batch_size=batch_size, show_progress_bar=False)
        return self.fit_embeddings(embeddings).to(model.device, model.dtype)

    def fit_embeddings(self, embeddings: Points) -> Dense:
        """Fit the map to embeddings of shape `(n, d)`; errors as for `fit`. A `Cloud` shares its moments between maps.

        The mean norm of these embeddings is the same before and after. The module is in float32, or in float64 where
        the embeddings are: a model takes it after `.to(model.dtype)`.
        """
        cloud = as_cloud(embeddings)
        matrix, offset = self.affine(cloud)
        factor = _norm_ratio(cloud, matrix, offset)
        return Dense(
            matrix.shape[1],
            matrix.shape[0],
            activation_function=None,
            init_weight=(factor * matrix).to(cloud.points).contiguous(),
            init_bias=(factor * offset).to(cloud.points),
        )


def apply_posthoc(transform: Dense, embeddings: Points) -> Tensor:
    """Apply a fitted transform to embeddings of shape `(n, d)`, without a model, in the transform's precision.

    Embeddings of half precision come out in float32, in which nothing shows how coarsely they were rounded: bring them
    back to half precision before a further transform is fitted to them, or it may scale their rounding up.

    Raises:
        ValueError: If they are of another width, or no embeddings.

    Examples:
        >>> transform = Center().fit_embeddings(torch.tensor([[1.0, 0.0], [-3.0, 0.0]]))
        >>> apply_posthoc(transform, torch.ones(1, 2)).tolist()
        [[2.0, 1.0]]
    """
    with torch.no_grad():
        rows = as_rows(embeddings)
        if rows.ndim == 0 or rows.shape[-1] != transform.linear.in_features:
            raise ValueError(
                f"The transform takes embeddings of {transform.linear.in_features} dimensions, but these have shape "
                f"{tuple(rows.shape)}; pass embeddings of the model that it was fitted to."
            )
        return transform({"sentence_embedding": rows.to(transform.linear.weight)})["sentence_embedding"]


@dataclass(frozen=True)
class Center(PostHoc):
    """Subtract the mean embedding.

    Examples:
        >>> rows = torch.tensor([[1.0, 0.0], [-3.0, 0.0]])
        >>> apply_posthoc(Center().fit_embeddings(rows), rows).tolist()
        [[2.0, 0.0], [-2.0, 0.0]]
    """

    def affine(self, cloud: Cloud) -> tuple[Tensor, Tensor]:
        """Find the translation by minus the mean."""
        return _identity(cloud), -cloud.mean


@dataclass(frozen=True)
class ProjectOutMean(PostHoc):
    r"""Remove each embedding's component along the mean direction: $x - (x \cdot \hat\mu) \hat\mu$.

    Examples:
        >>> rows = torch.tensor([[3.0, 4.0], [3.0, -4.0]])
        >>> apply_posthoc(ProjectOutMean().fit_embeddings(rows), rows).tolist()
        [[0.0, 5.0], [0.0, -5.0]]

    References:
        "Renormalization" of embeddings (arXiv 2511.11041), which finds it better than subtracting the mean.
    """

    def affine(self, cloud: Cloud) -> tuple[Tensor, Tensor]:
        """Find the projection onto the complement of the mean direction."""
        direction = torch.nn.functional.normalize(cloud.mean, dim=0)
        return _identity(cloud) - torch.outer(direction, direction), torch.zeros_like(cloud.mean)


@dataclass(frozen=True)
class AllButTheTop(PostHoc):
    """Subtract the mean, then remove the first principal components.

    Attributes:
        components: Number of components removed; the paper suggests about d/100.
        kept: Number of components after those that are kept, as the axes of the result; None keeps the rest, in the
            original axes.

    Raises:
        ValueError: When fitted, if `components` is not between 1 and d - 1, or fewer than `kept` are left.

    Examples:
        >>> rows = torch.tensor([[4.0, 3.0], [4.0, -3.0], [-4.0, 3.0], [-4.0, -3.0]])
        >>> transform = AllButTheTop(1).fit_embeddings(rows)
        >>> apply_posthoc(transform, rows).round(decimals=4).tolist()
        [[0.0, 5.0], [0.0, -5.0], [0.0, 5.0], [0.0, -5.0]]

    References:
        Mu and Viswanath 2018, "All-but-the-top: simple and effective postprocessing for word representations".
    """

    components: int = 1
    kept: int | None = None

    def affine(self, cloud: Cloud) -> tuple[Tensor, Tensor]:
        """Find the projection onto the complement of the leading components."""
        width = cloud.points.shape[1]
        if not (isinstance(self.components, int) and 0 < self.components < width):
            raise ValueError(
                f"All-but-the-top removes between 1 and {width - 1} of {width} components, not {self.components}."
            )
        _, directions = cloud.principal
        if self.kept is not None:
            _check_components(self.kept, width - self.components)
            matrix = directions[:, self.components : self.components + self.kept].T
            return matrix, -matrix @ cloud.mean
        leading = directions[:, : self.components]
        matrix = _identity(cloud) - leading @ leading.T
        return matrix, -matrix @ cloud.mean


@dataclass(frozen=True)
class SpectralPower(PostHoc):
    r"""Multiply each covariance eigenvalue $\lambda$ by $\lambda^{-\gamma}$, in the original axes, after centering.

    Attributes:
        gamma: 0 centers only, 1 whitens; in between the tail of the spectrum is raised less.
        shrinkage: Share of the mean variance mixed into the covariance first, as in `Whitening`.
        components: Number of leading components kept, as the axes of the result; with `gamma=0` this is PCA. None keeps
            all of them, in the original axes.

    Raises:
        ValueError: When fitted, if `gamma` or `shrinkage` is not between 0 and 1, or `shrinkage` is 0 with no more
            embeddings than dimensions; if `components` is not between 1 and d.

    Examples:
        >>> rows = torch.tensor([[4.0, 1.0], [4.0, -1.0], [-4.0, 1.0], [-4.0, -1.0]])
        >>> first = apply_posthoc(SpectralPower(0.5).fit_embeddings(rows), rows)[0]
        >>> round(float(first[0] / first[1]), 4), round(float(first.norm() ** 2), 4)
        (2.0, 17.0)

    References:
        The family between PCA and whitening of "Spectral tempering" (arXiv 2603.19339).
    """

    gamma: float = 0.5
    shrinkage: float = 0.0
    components: int | None = None

    def affine(self, cloud: Cloud) -> tuple[Tensor, Tensor]:
        """Find the scaling along the principal components."""
        return _scaled(cloud, self.gamma, True, self.shrinkage, self.components)


@dataclass(frozen=True)
class Whitening(PostHoc):
    r"""Give the embeddings zero mean and a covariance that is a multiple of the identity.

    Attributes:
        kind: "pca" leaves the result in principal axes, "zca" rotates back to the original ones. Cosines are the same.
        shrinkage: Share ζ of the mean variance mixed into the covariance, $(1-\zeta) C + \zeta \frac{tr C}{d} I$,
            which keeps the noise of small eigenvalues down.
        components: Number of leading components kept, as the axes of the result whatever the `kind`; None keeps all.

    Raises:
        ValueError: When fitted, if `kind` is unknown, or for an option that `SpectralPower` refuses.

    Examples:
        >>> rows = torch.tensor([[7.0, 1.0], [7.0, -1.0], [-7.0, 1.0], [-7.0, -1.0]])
        >>> transform = Whitening().fit_embeddings(rows)
        >>> apply_posthoc(transform, rows).round(decimals=4).tolist()
        [[5.0, 5.0], [5.0, -5.0], [-5.0, 5.0], [-5.0, -5.0]]

    References:
        Su et al. 2021, "Whitening sentence representations for better semantics and faster retrieval" (arXiv
        2103.15316); Kessy, Lewin and Strimmer 2018, "Optimal whitening and decorrelation".
    """

    kind: Literal["pca", "zca"] = "zca"
    shrinkage: float = 0.0
    components: int | None = None

    def affine(self, cloud: Cloud) -> tuple[Tensor, Tensor]:
        """Find the whitening map."""
        if self.kind not in ("pca", "zca"):
            raise ValueError(f'The kind of whitening must be "pca" or "zca", not {self.kind!r}.')
        return _scaled(cloud, 1.0, self.kind == "zca", self.shrinkage, self.components)


def _check_components(components: int, available: int) -> None:
    """Raise a `ValueError` unless so many principal components can be kept of those available."""
    if not (isinstance(components, int) and 1 <= components <= available):
        raise ValueError(f"A transform keeps between 1 and {available} components here, not {components}.")


def _norm_ratio(cloud: Cloud, matrix: Tensor, offset: Tensor) -> float:
    """The factor that gives the mapped points the mean norm that they had; 1 where the map leaves nothing."""
    before = mapped = 0.0
    for block in map(Tensor.double, cloud.points.split(BLOCK_ROWS)):
        before += float(block.norm(dim=1).sum())
        mapped += float((block @ matrix.T + offset).norm(dim=1).sum())
    return before / mapped if mapped > _ROUNDING * before else 1.0


def _identity(cloud: Cloud) -> Tensor:
    return torch.eye(cloud.points.shape[1], dtype=torch.float64, device=cloud.points.device)


def _scaled(
    cloud: Cloud, gamma: float, rotate_back: bool, shrinkage: float, components: int | None
) -> tuple[Tensor, Tensor]:
    if not 0 <= gamma <= 1:
        raise ValueError(f"The power gamma of a spectrum must be between 0 and 1, not {gamma}.")
    if not 0 <= shrinkage <= 1:
        raise ValueError(f"The shrinkage of a covariance must be between 0 and 1, not {shrinkage}.")
    count, width = cloud.points.shape
    if components is not None:
        _check_components(components, width)
    if shrinkage == 0 and count <= width:
        raise ValueError(
            f"A scaling of all {width} dimensions needs more than {width} embeddings, but there are {count}; "
            "add texts or set a shrinkage such as 0.1."
        )
    found, directions = cloud.principal
    values = (1 - shrinkage) * found + shrinkage * found.mean()
    # Few embeddings leave directions out that others may use; of more, nothing but rounding is left there.
    used = (found > _ROUNDING * found.max()) | ((count <= width) & (values > 0))
    factors = torch.where(used, values.clamp(min=1e-300) ** (-gamma / 2), 0.0)
    matrix = (factors[:, None] * directions.T)[:components]
    if rotate_back and components is None:
        matrix = directions @ matrix
    return matrix, -matrix @ cloud.mean
