"The attention module, InfViT, and weights on file."
from infsa.command import lazy_names

__all__, __getattr__, __dir__ = lazy_names(
    __name__,
    mixer='VARIANTS UNDISCOUNTED DEFAULT_NORMS LOWEST EDGE softmax_attention identity_attention '
          'refuse_pairs read_mask first_logit discount_of cast_but_logit check_mixing mix_heads '
          'Mixing Mixer',
    attention='InfSAttention',
    vit='SIZES DropPath Block resize_matrix InfViT list_models model_parts '
        'create_model',
    weights='save_model load_model file_metadata set_norms from_release')
