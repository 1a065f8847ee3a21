"The attention operators as functions, exact and fast, each beside its naive twin; PyTorch only."
from infsa.command import lazy_names

__all__, __getattr__, __dir__ = lazy_names(
    __name__,
    absorbed='absorbed_key key_weights absorbed_value absorbed_context absorbed_linear_infsa',
    devices='TILES MODES tile_side sum_type set_kernels without_kernels fits_kernels',
    energies='query_energies energy_sums',
    features='FEATURE_MAPS FEATURE_MAP SQUARINGS kernel_infsa naive_kernel_infsa',
    inputs='widen no_autocast check_qkv check_eps check_norm check_mask check_masks edge_mask zero_padding '
           'discounts needs_algebra one_by_one',
    kernels='',
    linear='naive_linear_infsa linear_weights linear_infsa',
    multihop='naive_multihop_infsa multihop_infsa token_similarity',
    pure='naive_pure_infsa graph_and_scale pure_infsa',
    routed='naive_routed_infsa route_shares routed_infsa routed_received absorbed_routes token_shares '
           'routed_key routed_value project_routes read_routes routed_context',
    segments='segment_batches by_segment',
    weighted='naive_weighted_infsa check_weight weighted_infsa',
    testing='SIZES LIMITS Errors random_inputs every_mask relative compare check_twins')
