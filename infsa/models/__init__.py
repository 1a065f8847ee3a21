"The attention module, InfViT, and weights on file."
from infsa.command import lazy_names

__all__, __getattr__, __dir__ = lazy_names(
    __name__,
    attention='VARIANTS UNDISCOUNTED DEFAULT_NORMS LOWEST EDGE softmax_attention identity_attention '
              'InfSAttention',
    vit='SIZES DropPath LayerScale Block resize_matrix InfViT list_models model_parts '
        'refuse_options create_model',
    weights='save_model load_model load_weights file_metadata set_norms from_release')
