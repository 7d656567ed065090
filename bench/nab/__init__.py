"""The detector of anomalies, by the Numenta Anomaly Benchmark."""
