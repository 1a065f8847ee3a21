"Images and speeds beyond one machine."
from infsa.command import lazy_names

__all__, __getattr__, __dir__ = lazy_names(
    __name__,
    bench='SIZES DTYPES plot_cost speedups plot_speedup',
    cases='OPTIONS STARTUP FULL COPIES WIDE PROBES FIELDS memory_needed why',
    clock='WARMUP SPAN CALLS ENERGY NOT_MEASURED BACKENDS PretendedGPU call_seconds warm repeat_calls '
          'joules_a_call as_graph float32_products precision backend chosen_backend card_record check_device',
    contenders='PEERS LAYERS MODELS KINDS PATCH DEPTH RELEASE load_release rows_of count_macs',
    field='FIELD linear_mean grid_of grid_angles rotate rank_augmented polar_mean gated_delta',
    measure='CHUNKS interleave matmul_peak hardware peak_rss peak_memories peak_memory energy_counter',
    parallel='token_range run_processes all_reduce_sum bytes_per_layer SequenceParallel',
    stream='StreamResult stream_bytes save_map',
    suite='PLANS TYPES OPERATORS BOUNDS SOFTMAX LAYER_ROWS MODEL_ROWS LARGEST_ROWS SECTIONS nan_filled gpu_suite '
          'tables summary',
    switches='race_figure said_bytes said_seconds')
