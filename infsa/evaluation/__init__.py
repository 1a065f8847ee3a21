"How often a model is right, how good its maps are, and the reports of both."
from infsa.command import lazy_names

__all__, __getattr__, __dir__ = lazy_names(
    __name__,
    accuracy='Predictions predict in_top per_class plot_classes confusion_pairs plot_confusions '
             'calibration plot_reliability accuracy_summary',
    boxes='BOX_CASES Boxed count_cases case_table warn_of_cases box_masks val_number '
          'read_blacklist',
    classifier='Classifier read_state load_state load_classifier check_finite class_index '
               'distinct_names',
    convert_command='find_images image_batches read_variants write_converted convert_model',
    evaluate='pair_models',
    explain='SAYS read_crops top_classes model_label map_figure image_pictures',
    map_scores='CONTROLS image_name control_maps maps_to_score UPSAMPLE map_quality',
    map_tables='SCORES quality_intervals quality_table one_map quality_difference plot_layers '
               'plot_removal_curves',
    metrics='SCORE_KINDS BASELINES SCALES box_mask chance roc_auc average_precision pointing_hits '
            'Interval interval paired_difference label_score step_shares perturbation_curve '
            'area_under area_over aopc',
    report='Picture html_page')
