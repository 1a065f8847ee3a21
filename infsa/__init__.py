__version__ = "0.1.0"

from infsa.graph import eigenvector_centrality, frobenius_norm, frobenius_normalize, katz_centrality, pagerank, spectral_radius, token_graph
from infsa.layers import InfSAttention
from infsa.linear import absorbed_context, absorbed_linear_infsa, linear_infsa, linear_weights, naive_linear_infsa
from infsa.markov import AbsorbingChain
from infsa.multihop import kernel_infsa, multihop_infsa, token_similarity
from infsa.neumann import hops_for, neumann_series, resolvent, truncation_bound
from infsa.pure import naive_pure_infsa, pure_infsa
from infsa.segments import by_segment
from infsa.stream import open_image, save_map
from infsa.vit import InfViT, create_model, list_models
