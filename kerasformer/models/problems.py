"""What the outputs of a classifier of texts mean, by the names of `problem_type` in config.json."""

SINGLE_LABEL = "single_label_classification"  # one class of many: softmax
MULTI_LABEL = "multi_label_classification"  # each class by itself: sigmoid
REGRESSION = "regression"  # numbers, as they are
PROBLEMS = (SINGLE_LABEL, MULTI_LABEL, REGRESSION)
