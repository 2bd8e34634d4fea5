"""From a checkpoint to a model file: export, precision, calibration, parity, import of published weights, cards."""
