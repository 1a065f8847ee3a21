"The token graph, its discounted walks and what they add up to; PyTorch only."
from infsa.command import lazy_names

__all__, __getattr__, __dir__ = lazy_names(
    __name__,
    depth='add_hop stack_weights horizon',
    graph='POLE_GAP token_graph norm_or_nan frobenius_norm frobenius_normalize katz_centrality '
          'pagerank eigenvector_centrality',
    markov='AbsorbingChain',
    norms='STEPS largest schur_norm spectral_parts spectral_norm NORMS naive_norm',
    neumann='check_rho neumann_series resolvent truncation_bound hops_for',
    radius='TINY check_square spectral_radius',
    solve='BATCHED_ROWS exporting forward_mode solve_systems')
