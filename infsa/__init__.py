__version__ = "0.2.0"

from infsa.theory.graph import eigenvector_centrality, frobenius_norm, frobenius_normalize, katz_centrality, pagerank, spectral_radius, token_graph
from infsa.theory.markov import AbsorbingChain
from infsa.theory.neumann import hops_for, neumann_series, resolvent, truncation_bound
from infsa.operators.absorbed import absorbed_context, absorbed_linear_infsa
from infsa.operators.devices import set_kernels
from infsa.operators.features import kernel_infsa, naive_kernel_infsa
from infsa.operators.linear import linear_infsa, linear_weights, naive_linear_infsa
from infsa.operators.multihop import multihop_infsa, naive_multihop_infsa, token_similarity
from infsa.operators.pure import naive_pure_infsa, pure_infsa
from infsa.operators.segments import by_segment
from infsa.models.attention import InfSAttention
from infsa.models.calibrate import calibrate
from infsa.models.convert import convert, load_converted, save_converted
from infsa.models.families import adapter
from infsa.models.hub import model_card
from infsa.models.image_block import InfSA2d
from infsa.models.mixer import Mixer
from infsa.models.plans import plan, revert, softmax
from infsa.models.vit import InfViT, create_model, list_models
from infsa.models.weights import from_release, load_model, save_model
from infsa.scale.stream import open_image, save_map
