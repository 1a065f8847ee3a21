"What a layer and a model look at, drawn over images."
from infsa.command import lazy_names

__all__, __getattr__, __dir__ = lazy_names(
    __name__,
    layer='EDGES MAPS LayerInputs graph_received graph_centrality kernel_centrality graph_perron '
          'linear_map softmax_class_token softmax_received attention_rollout hop_maps',
    model='attention_layers patch_grid check_tokens layer_inputs map_names layer_numbers '
          'attention_maps plot_heads hops_slider',
    overlay='COLOURS OPACITY grey map_colours plot_token_weights')
