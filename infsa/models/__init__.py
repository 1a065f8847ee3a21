"The attention module, InfViT, and weights on file."
from infsa.command import lazy_names

__all__, __getattr__, __dir__ = lazy_names(
    __name__,
    mixer='VARIANTS UNDISCOUNTED DEFAULT_NORMS LOWEST EDGE softmax_attention identity_attention '
          'refuse_pairs read_mask first_logit discount_of cast_but_logit check_mixing mix_heads '
          'Mixing Mixer',
    attention='InfSAttention',
    backbone='READS read_pool take_blocks draw_normal make_head Backbone',
    vit='SIZES DropPath LayerScale Block resize_matrix InfViT list_models model_parts '
        'refuse_options create_model',
    families='Redirect Site Setting read_sdpa_mask answer_sdpa check_call why_not Converted '
             'converted_class InfSAMultiheadAttention change_mixer restore_mixer own_class '
             'is_converted set_variant short_linear INTERFACE register_interface interface_mask '
             'interface_attention past_only FAMILIES full_name adapter find_site REFUSED',
    plans='Row Report find_attention assign_variants change_around changing restore_weights revert '
          'softmax run_example module_outputs TOLERANCE relative plan',
    places='Place Look branch_scale first_tensor attention_modules find_places '
           'look',
    calibrate='Fit Fits LAYERS head_gains ridge refit place_error teacher_of '
              'calibrate',
    convert='convert save_converted load_converted BESIDE',
    timm='',  # registers all models with timm
    hub='model_arguments write_model read_model read_run model_card save_pretrained push_to_hub '
        'from_pretrained',
    image_block='tokens_of map_of InfSA2d',
    native='native_size Packed pack_images embed_packed packed_features packed_answers PackImages',
    transfer='STAGES attention_loss feature_loss rate_at transfer',
    weights='weights_file save_model load_model load_weights file_metadata set_norms from_release')
