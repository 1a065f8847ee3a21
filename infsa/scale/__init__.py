"Images and speeds beyond one machine."
from infsa.command import lazy_names

__all__, __getattr__, __dir__ = lazy_names(
    __name__,
    bench='STARTUP COPIES FIELDS SIZES DTYPES memory_needed plot_cost speedups plot_speedup',
    contenders='PEERS LAYERS MODELS KINDS PATCH DEPTH count_macs',
    measure='interleave matmul_peak hardware peak_rss peak_memory energy_counter',
    parallel='token_range run_processes all_reduce_sum bytes_per_layer SequenceParallel',
    stream='StreamResult stream_bytes save_map',
    switches='race_figure said_bytes said_seconds')
