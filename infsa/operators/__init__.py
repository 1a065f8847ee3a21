"The attention operators as functions, exact and fast, each beside its naive twin; PyTorch only."
from infsa.command import lazy_names

__all__, __getattr__, __dir__ = lazy_names(
    __name__,
    linear='QUERY_ROWS naive_linear_infsa linear_weights linear_infsa query_energies absorbed_key '
           'key_weights absorbed_value absorbed_context absorbed_linear_infsa',
    multihop='FEATURE_MAPS FEATURE_MAP BLOCK SQUARINGS naive_multihop_infsa multihop_infsa '
             'token_similarity kernel_infsa naive_kernel_infsa',
    pure='ROWS COLS widen no_autocast check_qkv check_eps check_mask check_masks edge_mask '
         'zero_padding naive_pure_infsa discounts graph_and_scale one_by_one needs_algebra '
         'pure_infsa',
    segments='segment_batches by_segment')
